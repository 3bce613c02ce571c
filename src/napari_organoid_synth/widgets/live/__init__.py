"""Light, noise and walks over what is shown live: sections of the Generate dock."""
