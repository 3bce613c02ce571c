"""Painting live: a canvas whose image follows its mask, and the process that renders it."""
