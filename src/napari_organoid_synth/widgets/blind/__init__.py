"""The Blind test dock."""
