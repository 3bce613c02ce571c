"""Trainings on disk, also as one file; read without torch."""
