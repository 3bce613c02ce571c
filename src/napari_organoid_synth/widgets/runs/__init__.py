"""The Runs dock: every training of the project, named, compared, deleted and brought back."""
