"""The command ``runs``: list the runs of a project, rename, delete, bring back."""

from __future__ import annotations

from collections.abc import Mapping

from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.project import Project
from napari_organoid_synth.core.runs.catalog import RunRecord, catalog, delete_run, rename, restore_run
from napari_organoid_synth.core.runs.numbers import run_numbers
from napari_organoid_synth.core.runs.settings import RunsSettings
from napari_organoid_synth.core.runs.titles import deleted_names, find_runs


def runs(project: Project, settings: RunsSettings, samples: Mapping[str, int]) -> list[RunRecord]:
    """Do what the settings ask for, and list the runs; ``samples`` is their number by folder.

    Raises
    ------
    UserError
        If there is no such run, or a name cannot be given.
    """
    for change in settings.rename:
        old, equals, new = change.partition("=")
        if not equals:
            raise UserError(f"'{change}' is no change of a name.", "Expected RUN=NAME, as in '3=the best'.")
        rename(project, find_runs(project, [old.strip()])[0], new)
    for folder in find_runs(project, settings.delete):
        delete_run(project, folder)
    numbers, in_bin = run_numbers(project), dict[str, str]()
    for folder, name in deleted_names(project).items():
        number = str(numbers.get(folder, ""))
        in_bin |= {number: folder, f"run {number}": folder, name.casefold(): folder}
    for name in settings.restore:
        restore_run(project, in_bin.get(name.strip().casefold(), name))
    return catalog(project, samples, settings.deleted)
