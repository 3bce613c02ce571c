"""Settings as forms."""
