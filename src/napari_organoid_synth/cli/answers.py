"""The JSON object of each command, as typed models: the published schema and the table in the documentation.

Loaded for the documentation and the tests alone. `output` writes the objects.
"""

from __future__ import annotations

import json
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from napari_organoid_synth.core.pairs.table import PairTable
from napari_organoid_synth.core.preflight.findings import Preflight
from napari_organoid_synth.core.runs.catalog import RunRecord
from napari_organoid_synth.core.samples.command import SamplesResult
from napari_organoid_synth.core.setting_list import Setting


class Problem(BaseModel):
    """A problem in three parts; the last two may be empty."""

    found: str = Field(description="What is wrong, with file, shape and number.")
    expected: str = Field(description="What would have been right.")
    todo: str = Field(description="What to do next.")


class Answer(BaseModel):
    """The keys that all objects have."""

    model_config = ConfigDict(extra="forbid")

    version: Literal[1] = Field(alias="schema", description="Version of this format.")
    command: str = Field(description="The command.")
    ok: Literal[True] = Field(description="Whether everything was done; the exit code is then 0.")


class Failure(BaseModel):
    """The object of a failure; what was done before it is there, too, with the keys of the command."""

    model_config = ConfigDict(extra="allow")

    version: Literal[1] = Field(alias="schema", description="Version of this format.")
    command: str = Field(description="The command; empty if none was named.")
    ok: Literal[False] = Field(description="The exit code is 1, 2 (wrong use) or 130 (stopped).")
    error: Problem = Field(description="What failed.")


class Ended(Answer):
    """A command that can be stopped."""

    reason: Literal["completed"] = Field(description="How it ended; 'canceled' in an object with an error.")


class Train(Ended):
    """train."""

    run: str = Field(description="Name of the training.")
    folder: str = Field(description="Its folder.")
    steps: int = Field(description="Steps that it has.")
    checkpoint: str = Field(description="File of the last checkpoint; empty if there is none.")
    best: int | None = Field(description="Step of the best checkpoint.")
    seconds: float = Field(description="Time of the steps.")
    images_per_second: float = Field(description="Speed.")
    gflops_per_second: float = Field(description="Speed, 1e9 operations.")
    precision: str = Field(description="float32 or bf16.")


class DryRun(Answer):
    """train, score, segment and gain with --dry-run."""

    minutes: float = Field(description="Estimated time.")
    needed_gb: float = Field(description="Estimated peak memory, GiB.")
    free_gb: float = Field(description="Free memory now, GiB.")
    seconds_per_step: float | None = Field(None, description="train: time of a step.")
    steps: int | None = Field(None, description="train: steps, also where the recipe counts in epochs.")
    sentence: str = Field("", description="In words.")
    work: dict[str, int] = Field({}, description="Numbers of what there is to do.")


class SettingList(Answer):
    """every command with --settings."""

    settings: list[Setting] = Field(description="Key, value, default, type and bounds of each setting.")


class Pipeline(Ended):
    """pipeline."""

    folder: str = Field(description="Its folder.")
    masks: str = Field(description="Run that draws masks.")
    painter: str = Field(description="Run that paints on them.")
    stages: dict[str, Any] = Field(description="Result of each stage.")
    seconds: dict[str, float] = Field(description="Time of each stage.")
    decode: dict[str, Any] = Field(description="Check of the drawn masks.")
    pairs: int = Field(description="Samples made.")
    samples: list[str] = Field(description="Names of the samples made.")
    files: list[str] = Field(description="Label images made, where masks are made alone.")
    checkpoint: str = Field(description="Step of the mask generator that draws.")


class Gain(Ended):
    """gain and segment."""

    arms: dict[str, Any] = Field(description="Result of each arm.")
    table: list[dict[str, Any]] = Field(description="Rows of the table.")
    design: dict[str, Any] = Field(description="Folds, repeats and pairs.")
    tasks: dict[str, int] = Field(description="Trainings: total, done, failed.")
    score: str = Field(description="Score that the sentences are about.")
    mask_kind: str = Field(description="binary, classes or instances.")
    sentences: list[str] = Field(description="Change by each arm, in words.")
    warnings: list[str] = Field(description="Warnings.")
    train: list[str] = Field(description="Images that were trained on.")
    test: list[str] = Field(description="Images that were tested.")
    rival: str = Field(description="The best arm without a generator, which arms with one are compared with.")
    classes: list[str] = Field(description="Classes that were scored.")
    curves: list[dict[str, Any]] = Field(description="Held-back score of every training against its steps.")
    worth: list[dict[str, Any]] = Field(description="How many annotated images the pairs are worth, for each share.")
    folder: str = Field(description="Folder of predictions and segmenters.")
    format: int = Field(description="Version of the result file.")


class Generate(Ended):
    """generate."""

    run: str = Field(description="Run that made them.")
    checkpoint: int = Field(description="Step of its checkpoint.")
    added: int = Field(description="Samples made.")
    samples: list[str] = Field(description="Their names.")
    refused: float = Field(description="Share of masks that were refused.")
    first: int = Field(description="Number of its first noise: the same seed goes on where it ended.")
    known: int = Field(description="Pairs that were not added, since one with their pixels and mask is there.")
    seconds: float = Field(description="Time.")


class Try(Ended):
    """try."""

    pairs: int = Field(description="Pairs made.")
    samples: list[str] = Field(description="Their names.")
    sentence: str = Field(description="The first number in words; without a comparison, what was made.")
    caveat: str = Field(description="What it is worth, or why nothing could be measured.")
    measured: dict[str, Any] | None = Field(description="The comparison, as of gain; null if nothing was measured.")
    seconds: dict[str, float] = Field(description="Time of each stage.")


class Score(Ended):
    """score."""

    scored: int = Field(description="Samples scored.")
    already: int = Field(description="Samples that had their scores.")
    failed: dict[str, str] = Field(description="Samples that cannot be read, with the reason.")
    copies: int = Field(description="Flagged as copies of real images.")
    broken_masks: int = Field(description="Flagged for their mask.")
    real_tiles: int = Field(description="Real tiles that they were compared with.")
    sets: list[dict[str, Any]] = Field(description="Scores of each set.")


class Map(Ended):
    """map."""

    model_config = ConfigDict(extra="allow")

    file: str = Field(description="The map.")
    points: int = Field(description="Tiles and samples on it.")
    runs: dict[str, int] = Field(description="Samples of each run on it, by friendly name.")
    regions: list[int] = Field(description="Tiles in each empty region.")


class Fill(Ended):
    """fill."""

    model_config = ConfigDict(extra="allow")

    run: str = Field(description="Run that made them.")
    tiles: int = Field(description="Real tiles of the region.")
    added: int = Field(description="Samples made.")
    samples: list[str] = Field(description="Their names.")
    candidates: int = Field(description="Samples that they were chosen from.")


class Export(Ended):
    """export."""

    model_config = ConfigDict(extra="allow")

    folder: str = Field(description="Folder of the export.")
    written: int = Field(description="Pairs written.")
    formats: list[str] = Field(description="Layouts.")
    files: list[str] = Field(description="All files, below the folder.")
    sentence: str = Field(description="In words.")


class Predict(Ended):
    """predict."""

    segmenter: str = Field(description="Its name.")
    folder: str = Field(description="Folder of the label images.")
    images: int = Field(description="Images marked now.")
    done_before: int = Field(description="Images that were marked before.")
    files: list[str] = Field(description="The label images.")
    failed: dict[str, str] = Field(description="Images that could not be marked, with the reason.")
    cover: float | None = Field(None, description="Mean share of an image that is marked.")
    objects: int | None = Field(None, description="Objects in all images.")
    measurements: str = Field("", description="Table of the objects in the folder: area, perimeter, intensity; CSV.")


class Annotate(Ended):
    """annotate."""

    target: str = Field(alias="class", description="The class that was added.")
    known: list[str] = Field(description="Classes that were there.")
    masks: int = Field(description="Masks made.")
    files: list[str] = Field(description="Their files.")
    cover: float = Field(description="Mean share of an image that they mark.")
    held_out: dict[str, float] = Field(description="Scores on the test pairs of the other project.")
    folder: str = Field(description="Folder of the segmenter.")


class Adapt(Ended):
    """adapt."""

    project: str = Field(description="The new project, of the target.")
    tones: Literal["same", "inverted"] = Field(description="Whether dark and bright were exchanged.")
    size_ratio: float = Field(description="How many times larger structures are there.")
    kept: int = Field(description="Squares of the target that are pairs now, with predicted masks.")
    squares: int = Field(description="All its squares.")
    dropped: list[str] = Field(description="Images in which nothing was sure.")
    pairs: int = Field(description="Pairs painted.")
    samples: list[str] = Field(description="Their names.")
    found: list[str] = Field(description="What was found, in words.")
    measured: dict[str, Any] | None = Field(description="Scores on the test images, with changes and sentences.")
    stages: list[str] = Field(description="Steps that were done.")
    seconds: dict[str, float] = Field(description="Time of each.")


class Sketch(Ended):
    """sketch."""

    folder: str = Field(description="Folder of the painter and its images.")
    objects: Literal["bright", "dark"] = Field(description="Whether objects are brighter than what is around them.")
    on_side: float = Field(description="Share of the painted pairs in which they are that.")
    tries: int = Field(description="Trainings of the painter; more than one if it swapped tones.")
    pairs: int = Field(description="Pairs painted.")
    samples: list[str] = Field(description="Their names.")
    measured: dict[str, Any] | None = Field(description="Scores on the test images, with changes and sentences.")
    stages: list[str] = Field(description="Steps that were done.")
    seconds: dict[str, float] = Field(description="Time of each.")


class Study(Ended):
    """study."""

    study: str = Field(description="Name of the study.")
    folder: str = Field(description="Its folder, with tables, projects and study.yaml.")
    page: str = Field(description="The HTML file with all tables and figures.")
    tables: dict[str, Any] = Field(description="Head and rows of each table.")
    seconds: dict[str, float] = Field(description="Time of each part.")
    repeated: list[str] = Field(description="Parts that were done now; the others were there.")


class List(Answer):
    """list."""

    members: dict[str, Any] = Field(description="Summary and settings of each member.")


class Control(Answer):
    """control."""

    request: Literal["pause", "resume", "cancel"] = Field(description="The request.")
    job: str = Field(description="Job that gets it.")
    verb: str = Field(description="Its command.")


class Blind(Answer):
    """blind."""

    tests: list[dict[str, Any]] = Field(description="Every test, newest first.")
    together: dict[str, Any] = Field(description="Statistics of all tests that count, by way of asking.")
    words: list[str] = Field(description="Statistics in words.")
    file: str | None = Field(None, description="The CSV file, with --csv.")


class BlindTest(Ended):
    """blind with --run."""

    test: str = Field(description="Name of the test.")
    questions: int = Field(description="Its questions.")
    answers: int = Field(description="Answers so far.")
    words: list[str] = Field(description="Statistics in words.")
    result: dict[str, Any] | None = Field(description="Statistics; null if nothing was answered.")
    file: str | None = Field(None, description="The CSV file, with --csv.")


class Demo(Ended):
    """demo."""

    project: str = Field(description="The new project.")
    report: str = Field(description="Its report.")
    sentence: str = Field(description="The result in words.")
    how: str = Field(description="How it was obtained, in words.")
    seconds: dict[str, float] = Field(description="Time of each stage.")
    stages: dict[str, Any] = Field(description="Result of each stage.")


class Window(Answer):
    """window."""

    project: str = Field(description="The project that was opened.")


class Pair(Answer):
    """pair."""

    model_config = ConfigDict(extra="allow")

    table: PairTable = Field(description="The table of pairs.")
    preflight: Preflight = Field(description="What suits these pairs, what does not, and the next command.")


class Samples(Answer, SamplesResult):
    """samples."""


class Simulate(Answer):
    """simulate."""

    folder: str = Field(description="Folder of the pairs.")
    pairs: int = Field(description="Pairs written.")
    files: list[str] = Field(description="Their files.")
    failed: dict[str, str] = Field({}, description="Masks that cannot be read, with the reason.")
    fitted: dict[str, Any] | None = Field(None, description="Measured in the masks, with --masks.")


class Runs(Answer):
    """runs."""

    runs: list[RunRecord] = Field(description="Every run, or with --deleted every run in the bin, newest first.")


class Share(Answer):
    """share."""

    model_config = ConfigDict(extra="allow")

    file: str = Field(description="The model file.")
    size: int = Field(alias="bytes", description="Its size.")
    name: str = Field(description="Name of the model.")
    generator: str = Field(description="Its generator, or segmenter.")
    real_images: int = Field(0, description="Real images that the file contains; 0 for a trained network.")


class ImportModel(Answer):
    """import-model."""

    model_config = ConfigDict(extra="allow")

    run: str = Field(description="Name of the new run; empty for a segmenter.")
    segmenter: str = Field("", description="Name of the new segmenter.")
    name: str = Field(description="Name of the model.")
    generator: str = Field(description="Its generator, or segmenter.")


class Report(Ended):
    """report."""

    report: str = Field(description="The HTML file.")
    size: int = Field(alias="bytes", description="Its size.")
    seconds: float = Field(description="Time.")


ANSWERS: dict[str, type[Answer]] = {
    "pair": Pair, "train": Train, "pipeline": Pipeline, "generate": Generate, "score": Score, "samples": Samples,
    "map": Map, "fill": Fill, "export": Export, "segment": Gain, "gain": Gain, "predict": Predict,
    "annotate": Annotate, "study": Study, "try": Try, "adapt": Adapt, "sketch": Sketch, "simulate": Simulate,
    "runs": Runs, "share": Share, "import-model": ImportModel, "report": Report, "blind": Blind, "list": List,
    "control": Control, "demo": Demo, "window": Window,
}  # fmt: skip
SPECIAL: dict[str, type[Answer]] = {"minutes": DryRun, "settings": SettingList, "questions": BlindTest}
"""Answers of commands with an option that does something else, by a key that only they have."""


def check(text: str) -> dict[str, Any]:
    """Read the object that a command printed.

    Raises
    ------
    ValueError
        If it is not as the models say.
    """
    values: dict[str, Any] = json.loads(text)
    model: type[BaseModel] = Failure
    if values.get("ok") is True:
        special = next((other for key, other in SPECIAL.items() if key in values), None)
        model = special or ANSWERS[values["command"]]
    model.model_validate(values)
    return values


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema of all objects."""
    from pydantic.json_schema import models_json_schema

    models: list[type[BaseModel]] = [*dict.fromkeys(ANSWERS.values()), *SPECIAL.values(), Failure]
    references, schema = models_json_schema([(model, "serialization") for model in models])
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Answers of organoid-synth --json",
        "anyOf": list(references.values()),
        **schema,
    }


def as_markdown() -> str:
    """Return a table of the keys of each command, for the documentation."""
    lines = ["| command | key | meaning |", "|---|---|---|"]
    models: list[type[Answer]] = [*dict.fromkeys(ANSWERS.values()), *SPECIAL.values()]
    for model in models:
        title = (model.__doc__ or "").rstrip(".")
        for name, field in model.model_fields.items():
            if name not in Answer.model_fields:
                lines.append(f"| {title} | `{field.alias or name}` | {field.description} |")
                title = ""
    return "\n".join(lines) + "\n"
