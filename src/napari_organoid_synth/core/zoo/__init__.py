"""Model packages of the BioImage Model Zoo."""
