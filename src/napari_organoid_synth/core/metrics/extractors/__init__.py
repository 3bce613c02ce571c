"""Networks that turn a tile into a vector: one file each."""
