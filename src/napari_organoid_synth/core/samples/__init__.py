"""The store of synthetic pairs and of what a person decided."""
