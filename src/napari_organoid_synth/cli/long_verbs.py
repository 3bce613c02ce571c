"""Commands that take minutes to days; each runs in a job folder, so that a window can follow and steer it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from napari_organoid_synth.cli.options import (
    DryRunOption,
    JobOption,
    JsonOption,
    ProjectArgument,
    RecipeOption,
    SetOption,
    app,
)
from napari_organoid_synth.cli.output import show
from napari_organoid_synth.cli.running import finish, follow, run_verb, settings_of


@app.command()
def train(
    project: ProjectArgument,
    gan: Annotated[str | None, typer.Option(help="Generator; see 'list generators'.")] = None,
    recipe: RecipeOption = None,
    overrides: SetOption = None,
    resume: Annotated[str | None, typer.Option(help="Continue this run instead of starting a new one.")] = None,
    dry_run: DryRunOption = False,
    keep: Annotated[bool, typer.Option("--keep", hidden=True, help="Keep the measured speed in the project.")] = False,
    as_json: JsonOption = False,
    job: JobOption = None,
) -> None:
    """Train a generator on the real pairs."""
    from napari_organoid_synth.core.job import JobFolder
    from napari_organoid_synth.core.project import Project
    from napari_organoid_synth.core.recipe import Recipe

    opened, folder = Project(project, make=False), JobFolder(job) if job else None
    if resume is not None:
        folder = JobFolder(opened.run_path(resume))
        settings = Recipe.from_file(folder.path / "recipe.yaml").override(*(overrides or ()))
    else:
        settings = settings_of("train", recipe, [*([f"gan={gan}"] if gan else []), *(overrides or ())])
    if dry_run:
        from napari_organoid_synth.core.training.timing import estimate

        show("train", estimate(opened, settings, keep).model_dump(mode="json"), as_json)
        return
    run_verb("train", opened, settings, folder, job is not None, as_json, resume=resume is not None)


@app.command()
def pipeline(
    project: ProjectArgument,
    recipe: RecipeOption = None,
    overrides: SetOption = None,
    resume: Annotated[str | None, typer.Option(help="Continue this pipeline; its settings are kept.")] = None,
    as_json: JsonOption = False,
    job: JobOption = None,
) -> None:
    """Learn to draw masks, check them, learn to paint on them, make pairs; touching objects keep their structure."""
    from napari_organoid_synth.core.job import JobFolder
    from napari_organoid_synth.core.project import Project
    from napari_organoid_synth.core.synthesis.pipeline import find_pipeline

    opened = Project(project, make=False)
    folder = find_pipeline(opened, resume) if resume is not None else JobFolder(job) if job else None
    settings = settings_of("pipeline", recipe, overrides)
    run_verb("pipeline", opened, settings, folder, job is not None, as_json, resume=resume is not None)


@app.command()
def gain(
    project: ProjectArgument,
    recipe: RecipeOption = None,
    overrides: SetOption = None,
    paper_protocol: Annotated[
        bool, typer.Option("--paper-protocol", help="Let generators see the test images; the result is optimistic.")
    ] = False,
    scheduler: Annotated[
        str | None, typer.Option(help="Address of a dask scheduler; default: workers on this computer.")
    ] = None,
    resume: Annotated[
        str | None, typer.Option(help="Continue this comparison; default: one with the same settings, if any.")
    ] = None,
    dry_run: DryRunOption = False,
    as_json: JsonOption = False,
    job: JobOption = None,
) -> None:
    """Measure the gain from synthetic pairs in folds; the generator is retrained in each."""
    from napari_organoid_synth.core.job import JobFolder
    from napari_organoid_synth.core.project import Project

    opened = Project(project, make=False)
    options = [*(["paper_protocol=true"] if paper_protocol else []), *([f"scheduler={scheduler}"] if scheduler else [])]
    if resume is not None and recipe is None:  # also how many at once, and where
        kept = opened.path / "segment" / resume / "gain.yaml"
        recipe = kept if kept.is_file() else None
    settings = settings_of("gain", recipe, [*(overrides or ()), *options])
    if dry_run:
        from napari_organoid_synth.core.gain.dry_run import dry_run as estimate

        show("gain", estimate(opened, settings).model_dump(mode="json"), as_json)
        return
    folder = JobFolder(job) if job else None
    if folder is None:
        from napari_organoid_synth.core.gain.storage import earlier

        folder = earlier(opened, settings, resume)
    run_verb("gain", opened, settings, folder, job is not None, as_json, resume=resume is not None)


def _add_long(verb: str, summary: str) -> None:
    """Add a command that has no options but its settings."""

    def command(
        project: ProjectArgument,
        recipe: RecipeOption = None,
        overrides: SetOption = None,
        as_json: JsonOption = False,
        job: JobOption = None,
    ) -> None:
        from napari_organoid_synth.core.job import JobFolder
        from napari_organoid_synth.core.project import Project

        settings = settings_of(verb, recipe, overrides)
        run_verb(
            verb, Project(project, make=False), settings, JobFolder(job) if job else None, job is not None, as_json
        )

    app.command(verb, help=summary)(command)


_add_long("generate", "Make synthetic pairs: with a trained generator, or at once with pieces of your images.")


@app.command()
def score(
    project: ProjectArgument,
    recipe: RecipeOption = None,
    overrides: SetOption = None,
    dry_run: DryRunOption = False,
    as_json: JsonOption = False,
    job: JobOption = None,
) -> None:
    """Score the synthetic pairs against the real ones."""
    from napari_organoid_synth.core.job import JobFolder
    from napari_organoid_synth.core.project import Project

    opened, settings = Project(project, make=False), settings_of("score", recipe, overrides)
    if dry_run:
        from napari_organoid_synth.core.scores.dry_run import dry_run as estimate

        show("score", estimate(opened, settings).model_dump(mode="json"), as_json)
        return
    run_verb("score", opened, settings, JobFolder(job) if job else None, job is not None, as_json)


_add_long("try", "Paint pairs without training, and take a first look at what they are worth, in minutes.")
_add_long("map", "Map real tiles and synthetic pairs; similar ones are near each other.")
_add_long("fill", "Make synthetic pairs for an empty region of the map, like the real tiles there.")
_add_long("export", "Write the accepted pairs as OME-TIFF and in the layouts of other tools.")


@app.command()
def segment(
    project: ProjectArgument,
    recipe: RecipeOption = None,
    overrides: SetOption = None,
    dry_run: DryRunOption = False,
    as_json: JsonOption = False,
    job: JobOption = None,
) -> None:
    """Train a segmenter with and without the synthetic pairs of the project and compare: a first look."""
    from napari_organoid_synth.core.gain.storage import earlier
    from napari_organoid_synth.core.job import JobFolder
    from napari_organoid_synth.core.project import Project

    opened, settings = Project(project, make=False), settings_of("segment", recipe, overrides)
    if dry_run:
        from napari_organoid_synth.core.gain.dry_run import dry_run as estimate

        show("segment", estimate(opened, settings.as_gain()).model_dump(mode="json"), as_json)
        return
    folder = JobFolder(job) if job else earlier(opened, settings.as_gain())
    run_verb("segment", opened, settings, folder, job is not None, as_json)


@app.command()
def adapt(
    project: ProjectArgument,
    target: Annotated[list[str] | None, typer.Option(help="Folder of the images without masks. Repeatable.")] = None,
    test: Annotated[
        str | None, typer.Option(help="Folder of annotated images of the same sort, to measure on.")
    ] = None,
    recipe: RecipeOption = None,
    overrides: SetOption = None,
    as_json: JsonOption = False,
    job: JobOption = None,
) -> None:
    """Make pairs for images of another microscope or stain that nobody has annotated."""
    from napari_organoid_synth.core.job import JobFolder
    from napari_organoid_synth.core.project import Project

    settings = settings_of("adapt", recipe, overrides, {"target": target, "test": test})
    run_verb("adapt", Project(project, make=False), settings, JobFolder(job) if job else None, job is not None, as_json)


@app.command()
def sketch(
    project: ProjectArgument,
    images: Annotated[
        list[str] | None, typer.Option(help="Folder of images; default: those of the project. Repeatable.")
    ] = None,
    test: Annotated[str | None, typer.Option(help="Folder of annotated images, to measure on.")] = None,
    recipe: RecipeOption = None,
    overrides: SetOption = None,
    as_json: JsonOption = False,
    job: JobOption = None,
) -> None:
    """Make pairs from images alone: objects drawn by rule, painted in the look of the images."""
    from napari_organoid_synth.core.job import JobFolder
    from napari_organoid_synth.core.project import Project

    settings = settings_of("sketch", recipe, overrides, {"images": images, "test": test})
    run_verb(
        "sketch",
        Project(project, make=bool(images)),
        settings,
        JobFolder(job) if job else None,
        job is not None,
        as_json,
    )


_add_long("predict", "Mark the objects of images with a trained segmenter; writes label images.")
_add_long("annotate", "Add a class that is missing in the masks, learned from another project that has it.")


@app.command()
def study(
    name: Annotated[str, typer.Argument(help="organoid, em, blastocyst, spheroid or tissue; see 'list studies'.")],
    data: Annotated[Path | None, typer.Argument(help="Folder of images; default: that of the study.yaml.")] = None,
    out: Annotated[Path | None, typer.Option(help="Folder of the study; default: NAME-study.")] = None,
    size: Annotated[str | None, typer.Option(help="small (default): within an hour; published.")] = None,
    overrides: SetOption = None,
    as_json: JsonOption = False,
    job: JobOption = None,
) -> None:
    """Run a published study whole on your images, and write its tables and figures as one page; resumes."""
    from napari_organoid_synth.core.job import JobFolder, unless_canceled
    from napari_organoid_synth.core.project import Project
    from napari_organoid_synth.core.studies.catalog import settings_in
    from napari_organoid_synth.core.studies.settings import PROJECT
    from napari_organoid_synth.core.studies.study import refuse_missing
    from napari_organoid_synth.core.studies.study import study as run_study

    folder = out or Path(f"{name}-study")
    settings = settings_in(folder, name, str(data or ""), size, overrides or ())
    refuse_missing(settings)
    project = Project(folder / PROJECT)
    own = JobFolder(job) if job else project.job("study")
    steering = own.control
    if job is None:
        steering.resume()
    own.begin("study", sys.argv[1:])
    events = unless_canceled(run_study(folder, settings, steering), steering)
    finish("study", follow(events, steering, "study", project, own), as_json)
