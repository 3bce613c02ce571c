"""Scores of single pairs and of whole sets."""
