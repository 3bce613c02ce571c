"""The gain from pairs: train segmenters with and without them and compare."""
