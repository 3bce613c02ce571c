"""Segmenters: one file each."""
