"""Commands that end at once; each of their settings is also an option."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from napari_organoid_synth.cli.options import (
    JobOption,
    JsonOption,
    ProjectArgument,
    RecipeOption,
    SetOption,
    short_verb,
)
from napari_organoid_synth.cli.output import show
from napari_organoid_synth.cli.running import at_once, finish, follow, settings_of
from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.spelling import did_you_mean

MEASURED = {"mask_kind", "field", "count", "clusters", "clustering", "spread", "radius", "elongation"}


@short_verb
def pair(
    project: ProjectArgument,
    recipe: RecipeOption = None,
    overrides: SetOption = None,
    as_json: JsonOption = False,
    **fields: Any,
) -> None:
    """Match images with masks and check them; without --images, show the table or change it."""
    from napari_organoid_synth.core.pairs.pairing import pair as make
    from napari_organoid_synth.core.preflight.preflight import preflight
    from napari_organoid_synth.core.project import Project

    settings = settings_of("pair", recipe, overrides, fields)
    table, warning = make(Project(project), settings)
    if warning:
        print(warning, file=sys.stderr)
    found = preflight(table)
    if as_json:
        values = {"table": table.model_dump(mode="json"), "preflight": found.model_dump(mode="json")}
        show("pair", values, as_json)
        return
    for entry in table.entries:
        print(f"{entry.status:10} {entry.split:5} {entry.name:30} {entry.reason}")
    print(table.summary())
    for line in found.lines:
        print(line)
    if found.next_command:
        verb, _, options = found.next_command.partition(" ")
        print(f"Next: organoid-synth {verb} {shlex.quote(str(project))} {options}")


@short_verb
def samples(
    project: ProjectArgument,
    recipe: RecipeOption = None,
    overrides: SetOption = None,
    as_json: JsonOption = False,
    **fields: Any,
) -> None:
    """Find, accept, reject, tag, delete and import samples; lists those that the query finds."""
    from napari_organoid_synth.core.project import Project
    from napari_organoid_synth.core.samples.command import samples as change

    settings = settings_of("samples", recipe, overrides, fields)
    opened = Project(project, make=False)
    if settings.rebuild:
        from napari_organoid_synth.core.samples.recovery import rebuild

        print(rebuild(opened.samples_path).message, file=sys.stderr)
    result = change(opened, settings)
    if not as_json:
        for one in result.samples:
            scores = " ".join(f"{name}={value:.3g}" for name, value in one.scores.items())
            words = "; ".join(part for part in (one.flagged, ", ".join(one.tags), one.note) if part)
            print(f"{one.name:30} {one.verdict:8} {one.objects:4}  {scores}  {words}".rstrip())
        print(result.sentence)
    finish("samples", result.model_dump(mode="json"), as_json, quiet=True)


@short_verb
def simulate(
    name: Annotated[str, typer.Argument(help="organoid_brightfield, em, tissue or population.")],
    folder: Annotated[Path, typer.Argument(help="Where the OME-TIFF pairs go.")],
    recipe: RecipeOption = None,
    overrides: SetOption = None,
    as_json: JsonOption = False,
    **fields: Any,
) -> None:
    """Write simulated pairs."""
    from napari_organoid_synth.core.pairs.ome_tiff import write_pair
    from napari_organoid_synth.core.simulators.simulate import SIMULATORS

    settings = settings_of("simulate", recipe, overrides, fields)
    if name not in SIMULATORS:
        near = did_you_mean(name, SIMULATORS)
        raise UserError(f"There is no simulator '{name}'.", f"Expected one of: {', '.join(SIMULATORS)}.", near)
    result: dict[str, Any] = {"folder": str(folder), "pairs": settings.number}
    options: list[dict[str, Any]] = [{}]
    if settings.masks:
        from napari_organoid_synth.core.simulators.population_fit import fit, fit_each, read_masks

        if name != "population":
            raise UserError(
                f"'{name}' cannot be fitted to masks.", "Expected the simulator population.", "Leave out --masks."
            )
        result["failed"] = {}
        masks = read_masks(Path(settings.masks), result["failed"])
        options = [{"settings": fitted} for fitted in fit_each(masks)]
        result["fitted"] = fit(masks).model_dump(mode="json", include=MEASURED)
    files: list[str] = []
    for seed in range(settings.seed, settings.seed + settings.number):
        pair = SIMULATORS[name](seed, size=settings.size, **options[seed % len(options)])
        files += [str(path) for path in write_pair(folder, pair)]
    result |= {"files": files} if as_json else {}
    finish("simulate", result, as_json)


@short_verb
def runs(
    project: ProjectArgument,
    recipe: RecipeOption = None,
    overrides: SetOption = None,
    as_json: JsonOption = False,
    **fields: Any,
) -> None:
    """List the trained generators of a project; rename, delete and bring back."""
    from napari_organoid_synth.core.project import Project
    from napari_organoid_synth.core.runs.command import runs as change
    from napari_organoid_synth.core.samples.store import SampleStore

    settings, opened, counts = settings_of("runs", recipe, overrides, fields), Project(project, make=False), {}
    if opened.samples_path.exists():
        with SampleStore(opened.samples_path) as store:
            counts = store.run_counts()
    listed = change(opened, settings, counts)
    if as_json:
        show("runs", {"runs": [one.model_dump(mode="json") for one in listed]}, as_json)
        return
    for one in listed:
        distance = f"{one.distance:8.3g}" if one.distance is not None else 8 * " "
        made = f"{one.samples:7,} pairs {distance} {one.size / 1e6:8,.1f} MB"
        print(f"{one.name:20} {one.generator:12} {made}  {one.status}")
    if not listed:
        print("No deleted run." if settings.deleted else "No run yet.")


@short_verb
def share(
    project: ProjectArgument,
    file: Annotated[
        Path, typer.Argument(help="The file to write; ends with .synth, or with .zip for the BioImage Model Zoo.")
    ],
    recipe: RecipeOption = None,
    overrides: SetOption = None,
    as_json: JsonOption = False,
    job: JobOption = None,
    **fields: Any,
) -> None:
    """Write a trained generator, or a U-Net for the zoo, as one file for others; a licence must be chosen."""
    from napari_organoid_synth.core.project import Project
    from napari_organoid_synth.core.runs.card import contains_images
    from napari_organoid_synth.core.zoo.sharing import share as write_file

    settings, opened = settings_of("share", recipe, overrides, fields), Project(project, make=False)

    def write() -> dict[str, Any]:
        facts = write_file(opened, file, settings)
        if facts["real_images"]:
            print(contains_images(facts["real_images"]), file=sys.stderr)
        return {"file": str(file), "bytes": file.stat().st_size, **facts}

    show("share", at_once("share", opened, write, job), as_json)


@short_verb
def import_model(
    project: ProjectArgument,
    file: Annotated[Path, typer.Argument(help="A .synth file, or a model package (.zip) of the zoo.")],
    recipe: RecipeOption = None,
    overrides: SetOption = None,
    as_json: JsonOption = False,
    job: JobOption = None,
    **fields: Any,
) -> None:
    """Add a model file to the project: a generator as a run, a model that segments as a segmenter to predict with."""
    from napari_organoid_synth.core.project import Project
    from napari_organoid_synth.core.zoo.sharing import import_file

    settings, opened = settings_of("import-model", recipe, overrides, fields), Project(project)
    result = at_once("import-model", opened, lambda: import_file(opened, file, settings.name), job)
    if result["run"]:
        print("A model file has no optimiser state; further training resets the optimisers.", file=sys.stderr)
    show("import-model", result, as_json)


@short_verb
def report(
    project: ProjectArgument,
    recipe: RecipeOption = None,
    overrides: SetOption = None,
    as_json: JsonOption = False,
    job: JobOption = None,
    **fields: Any,
) -> None:
    """Write the report of a project: pictures, curves and tables in one HTML file."""
    from napari_organoid_synth.core.job import Control, JobFolder
    from napari_organoid_synth.core.project import Project
    from napari_organoid_synth.core.report.report import report as write

    settings, opened = settings_of("report", recipe, overrides, fields), Project(project, make=False)
    folder = JobFolder(job) if job else None
    steering = folder.control if folder else Control()
    output = Path(settings.output or opened.path / "report.html")
    finish("report", follow(write(opened, output, steering), steering, "report", opened, folder), as_json)
