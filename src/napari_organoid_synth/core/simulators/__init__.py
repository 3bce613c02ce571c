"""Pairs drawn by rule."""
