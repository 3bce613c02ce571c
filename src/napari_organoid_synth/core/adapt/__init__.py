"""Images without masks: pairs for another microscope, and pairs from nothing."""
