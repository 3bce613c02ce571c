"""The training loop of generators."""
