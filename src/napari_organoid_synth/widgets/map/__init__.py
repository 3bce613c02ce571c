"""The Map dock."""
