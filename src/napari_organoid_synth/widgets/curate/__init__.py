"""The Curate dock."""
