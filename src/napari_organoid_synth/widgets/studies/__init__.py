"""The Studies dock."""
