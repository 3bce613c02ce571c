"""The store of synthetic pairs and of the decisions about them."""
