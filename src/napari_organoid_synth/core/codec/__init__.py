"""Pixels and labels as network values, and back; without torch."""
