"""Parts shared by the docks."""
