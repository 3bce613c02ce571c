"""The Pairs dock."""
