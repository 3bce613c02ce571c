"""The map of real tiles and synthetic pairs."""
