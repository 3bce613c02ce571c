"""The Scores dock."""
