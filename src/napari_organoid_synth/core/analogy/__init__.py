"""Painting by analogy: images put together from small pieces of real ones, without training."""
