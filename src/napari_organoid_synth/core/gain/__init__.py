"""What pairs are worth: train segmenters with and without them and compare."""
