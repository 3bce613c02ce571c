"""Colours of napari's current theme, and those of verdicts."""

from __future__ import annotations

LETTERS = {"new": "N", "accepted": "A", "rejected": "R"}
"""Of the verdicts, so that they are not told by colour alone."""
VERDICT_COLOURS = {"new": "#999999", "accepted": "#009E73", "rejected": "#D55E00", "flagged": "#E69F00"}
"""Okabe-Ito; always shown together with a letter or a shape."""


def theme_colour(name: str) -> str:
    """Return a colour of napari's current theme as ``#rrggbb``, by its field in `napari.utils.theme.Theme`."""
    from napari import current_viewer
    from napari.settings import get_settings
    from napari.utils.theme import get_theme

    viewer = current_viewer()
    theme = get_theme(viewer.theme if viewer is not None else get_settings().appearance.theme)
    red, green, blue = getattr(theme, name).as_rgb_tuple(alpha=False)
    return f"#{red:02x}{green:02x}{blue:02x}"
