"""Sphinx builds the pages from Markdown and from the docstrings."""

import json
import sys
from pathlib import Path
from typing import Any

import napari_organoid_synth
from napari_organoid_synth.cli import answers
from napari_organoid_synth.core.frozen_model import FrozenModel

sys.path.insert(0, str(Path(__file__).parent))
import architecture
import settings_page

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

GENERATED = Path(__file__).parent / "_generated"
architecture.write(GENERATED)  # the table and the picture of "How it is built"
settings_page.write(GENERATED)
(GENERATED / "answers.md").write_text(answers.as_markdown(), encoding="utf-8")
(GENERATED / "answers.schema.json").write_text(json.dumps(answers.json_schema(), indent=1), encoding="utf-8")


def list_fields(app: Any, what: str, name: str, thing: Any, options: Any, lines: list[str]) -> None:
    """List the fields of a model that explain themselves, with their defaults, below its docstring."""
    if what != "class" or not issubclass(thing, FrozenModel) or "Parameters" in (thing.__doc__ or ""):
        return
    lines.append("")
    for field_name, field in thing.model_fields.items():
        default = "" if field.is_required() else f" = ``{field.get_default(call_default_factory=True)!r}``"
        lines.append(f"- **{field_name}**{default}" + (f": {field.description}" if field.description else ""))


def setup(app: Any) -> None:
    """Connect the above."""
    app.connect("autodoc-process-docstring", list_fields)
