"""Settings of the members of every family; no torch here, so that the window can show forms."""
