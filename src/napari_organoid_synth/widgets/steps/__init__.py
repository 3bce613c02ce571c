"""One dock with all steps: a bar of steps above, the page of a step below."""
