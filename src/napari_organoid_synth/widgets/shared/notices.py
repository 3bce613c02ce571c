"""The one notification when long work ends: its sentence, and the page to which its button leads."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from napari_organoid_synth.core.export.manifest import ExportResult
from napari_organoid_synth.core.gain.headlines import plain_verdict
from napari_organoid_synth.core.gain.results import GainResult
from napari_organoid_synth.core.job import JobFolder
from napari_organoid_synth.core.project import Project
from napari_organoid_synth.core.quantities import plural
from napari_organoid_synth.core.runs.titles import job_name, read_gan


@dataclass(frozen=True)
class Notice:
    """A sentence, the text of the button, the title of the page that it opens, and the project if it is another."""

    text: str
    button: str
    page: str
    project: str = ""


def notice(project: Project, verb: str, folder: JobFolder, result: Mapping[str, Any]) -> Notice | None:
    """Return what is said when a command has ended; None for one whose page says it."""
    if verb == "train":
        gan = read_gan(folder.path / "recipe.yaml")
        if gan is not None and not gan.trains:
            return Notice("The painter is ready; it needs no training.", "Make pairs", "Generate")
        name = job_name(project, folder.path.name, verb)
        return Notice(f"{name[:1].upper()}{name[1:]} is trained.", "Look at the run", "Runs")
    if verb == "try" and result.get("sentence"):
        return Notice(str(result["sentence"]), "Look at samples", "Curate")
    if verb == "export":
        return Notice(ExportResult.parse(dict(result)).sentence, "Look at the export", "Export")
    if verb == "score" and (sets := result.get("sets")):
        return Notice(f"{plural(len(sets), 'set')} compared with the real images.", "Look at scores", "Scores")
    if verb in {"segment", "gain"}:
        measured = GainResult.parse(dict(result))
        text = plain_verdict(measured) or next(iter(measured.sentences), "The comparison is done.")
        return Notice(text, "Look at the result", "Measure")
    if verb in {"adapt", "sketch"}:
        return Notice(
            f"{plural(int(result['pairs']), 'pair')} painted.", "Look at the pairs", "Curate", result.get("project", "")
        )
    if verb == "study":
        return Notice("The study is done.", "Look at it", "Studies")
    made = int(result.get({"generate": "added", "pipeline": "pairs"}.get(verb, ""), 0))
    if made:
        return Notice(
            f"{plural(made, 'synthetic pair')} {'is' if made == 1 else 'are'} ready.", "Look at samples", "Curate"
        )
    return None
