"""A project on one page."""
