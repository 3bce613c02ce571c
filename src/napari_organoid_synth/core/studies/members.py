"""Field of several generators by name, for the settings of a study."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AfterValidator

from napari_organoid_synth.core.generators.config import generator_config


def _known(members: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Check the settings of generators, so that a mistake is told before anything is trained."""
    for name, values in members.items():
        if not name.replace("_", "").isalnum():
            raise ValueError(f"'{name}' is not a name of letters, digits and underscores")
        generator_config(str(values.get("name", ""))).parse(values)
    return members


Members = Annotated[dict[str, dict[str, Any]], AfterValidator(_known)]
"""Names to settings of generators; what is left out is as in a recipe."""
