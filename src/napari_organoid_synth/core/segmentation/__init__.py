"""Train segmenters and apply them."""
