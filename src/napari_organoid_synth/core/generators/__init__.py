"""Generators: one file each."""
