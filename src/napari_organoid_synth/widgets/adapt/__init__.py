"""The Adapt dock."""
