"""Settings of the segmenter command: a network of your own, given as two command lines."""

from __future__ import annotations

import os
import shlex
from collections.abc import Sequence
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, Field, model_validator

from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.segmentation.segmenters.config import Crops, SegmenterConfig

FIT_NEEDS, PREDICT_NEEDS = ("{data}", "{model}"), ("{model}", "{images}", "{out}")
"""Parts of a command line that are replaced by folders; each must stand in it."""


def _words(value: Any) -> Any:
    """Split a command line into its words, with the quotes of a shell but without a shell."""
    if isinstance(value, str):
        value = (value,)
    if not isinstance(value, list | tuple) or len(value) != 1 or not isinstance(value[0], str):
        return value
    try:
        return tuple(shlex.split(value[0], posix=os.name == "posix"))
    except ValueError as error:
        raise UserError(f"Cannot split the command {value[0]}: {error}.", "Expected closed quotes.") from None


CommandLine = Annotated[tuple[str, ...], BeforeValidator(_words)]
"""Program and arguments: a list, or one line that is split at spaces outside quotes."""


class CommandConfig(SegmenterConfig):
    """Any segmenter that two commands train and apply; they read and write files."""

    title: ClassVar[str] = "Your own – two commands"
    when: ClassVar[str] = (
        "For a network of your own: one command trains it on a folder of pairs, one writes label images. The "
        "documentation of segmenters describes the folders. Commands run without a shell."
    )

    takes_steps: ClassVar[bool] = False

    name: Literal["command"] = "command"
    fit: CommandLine = Field(
        ("python", "train.py", "--data", "{data}", "--model", "{model}", "--seed", "{seed}"),
        description="Trains on the pairs in {data} and writes what it learned to the folder {model}. Also replaced: "
        "{seed}, {steps}, {device}.",
    )
    predict: CommandLine = Field(
        ("python", "predict.py", "--model", "{model}", "--images", "{images}", "--out", "{out}"),
        description="Writes a label image of the same name to the folder {out} for each image in {images}.",
    )
    folder: str = Field("", description="Folder in which both run; empty: that in which this program was started.")
    hours: float = Field(24.0, gt=0, le=1000, description="A command that takes longer is ended.")
    trained_to_end: bool = Field(
        False,
        description="The command trains until its network has learned all it can. Without this and without a "
        "curve.json in {model} nobody knows, and the comparison gives no verdict.",
    )

    @property
    def crops(self) -> Crops:
        """A usual batch; the command chooses its own."""
        return Crops(8, 256)

    @model_validator(mode="after")
    def _has_its_folders(self) -> CommandConfig:
        _check("fit", self.fit, FIT_NEEDS)
        _check("predict", self.predict, PREDICT_NEEDS)
        return self


def _check(field: str, words: Sequence[str], needs: Sequence[str]) -> None:
    """Refuse an empty command, and one without a place for its folders."""
    missing = [need for need in needs if not any(need in word for word in words[1:])]
    if missing:
        line = " ".join(words)
        raise UserError(
            f"The command '{field}' has no {' and no '.join(missing)}: {line or 'it is empty'}.",
            f"Expected a program and {', '.join(needs)} among its arguments.",
            f"Add {' '.join(missing)}: a folder takes its place.",
        )
