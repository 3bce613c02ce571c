"""The docks; Qt is known here and nowhere below."""
