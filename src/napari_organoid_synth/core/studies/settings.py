"""Settings that all studies share, and the file ``study.yaml`` that holds them with what each means."""

from __future__ import annotations

import textwrap
from pathlib import Path
from typing import ClassVar, Literal

import yaml
from pydantic import Field

from napari_organoid_synth.core.atomic import write_text
from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.fields import DeviceName, Threads
from napari_organoid_synth.core.frozen_model import Settings
from napari_organoid_synth.core.plain_values import MAX_YAML, from_yaml, read_text, reason

Size = Literal["small", "published"]
FILE, PAGE, PROJECT = "study.yaml", "study.html", "project"
"""In the folder of a study: its settings, its page, and its main project, which can be opened like any other."""
WIDTH = 100
"""Characters of a line of comments."""


class StudySettings(Settings):
    """What a study compares, on which images, how long.

    Attributes
    ----------
    computing : tuple of str
        Settings that say how to compute and leave the results alone.
    """

    computing: ClassVar[tuple[str, ...]] = ("device", "threads")

    name: str = Field("organoid", description="Name of the study.")
    data: str = Field("", description="Folder of its images.")
    size: Size = Field("small", description="small: within an hour on two processor cores; published: as in the paper.")
    seed: int = Field(0, ge=0, description="The same seed gives the same tables.")
    device: DeviceName = "auto"
    threads: Threads = 0
    precision: Literal["auto", "float32", "bf16"] = Field(
        "auto",
        description="Arithmetic inside the generators; auto keeps the faster, so that figures differ a little between "
        "computers.",
    )


def commented(settings: StudySettings, heading: str) -> str:
    """Return settings as YAML with the meaning of each above it.

    Parameters
    ----------
    settings : StudySettings
        Of a study.
    heading : str
        Text at the top, a paragraph a line.
    """
    lines = [line for text in heading.splitlines() for line in _comment(text)]
    values = settings.model_dump(mode="json")
    for name, field in type(settings).model_fields.items():
        lines += ["", *_comment(field.description or "")]
        dumped = yaml.safe_dump({name: values[name]}, sort_keys=False, allow_unicode=True, width=WIDTH)
        lines.append(str(dumped).rstrip("\n"))
    return "\n".join(lines) + "\n"


def _comment(text: str) -> list[str]:
    return [f"# {line}".rstrip() for line in textwrap.wrap(text, WIDTH) or [""]]


def write_settings(folder: Path, settings: StudySettings, heading: str) -> None:
    """Write ``study.yaml``, unless it holds the same values: comments of a person stay."""
    try:
        if type(settings).from_file(folder / FILE) == settings:
            return
    except UserError:  # there is none, or it is of another version
        pass
    write_text(folder / FILE, commented(settings, heading))


def name_in(folder: Path) -> str:
    """Return the name of the study of a folder; empty if there is none.

    Raises
    ------
    UserError
        If its ``study.yaml`` cannot be read.
    """
    path = folder / FILE
    if not path.exists():
        return ""
    try:
        values = from_yaml(read_text(path, MAX_YAML))
    except (OSError, ValueError) as error:
        raise UserError(
            f"Cannot read {path}: {reason(error)}.", "Expected the settings of a study.", "Mend it, or delete it."
        ) from None
    name = values.get("name") if isinstance(values, dict) else None
    if not isinstance(name, str):
        raise UserError(
            f"{path} does not name a study.", "Expected a line such as 'name: organoid'.", "Mend it, or delete it."
        )
    return name
