"""Painting on a mask while the image follows: a section of the Generate dock."""
