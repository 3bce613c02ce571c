"""Sphinx builds the pages from Markdown and from the docstrings."""

import sys
from pathlib import Path

import napari_organoid_synth

sys.path.insert(0, str(Path(__file__).parent))
import architecture

project = "napari-organoid-synth"
author = "napari-organoid-synth contributors"
copyright = f"2026, {author}"
release = napari_organoid_synth.__version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx.ext.viewcode"]
myst_enable_extensions = ["colon_fence", "dollarmath"]
myst_heading_anchors = 3
exclude_patterns = ["_build", "_generated"]
html_theme = "furo"
html_static_path = ["_static"]
html_title = project
autodoc_member_order = "bysource"
autodoc_typehints = "none"
autodoc_mock_imports = ["qtpy", "napari", "superqt", "pyqtgraph", "magicgui"]
napoleon_numpy_docstring = True
napoleon_google_docstring = False

architecture.write(Path(__file__).parent / "_generated")  # the table and the picture of "How it is built"
