"""Real pairs: find, read, check and cut them."""
