"""The Generate dock."""
