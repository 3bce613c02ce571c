"""Where the shapes of new cells come from: real masks, shapes like theirs, or what a generator of masks drew."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.live.stamps import Stamp, fitted_stamps, generated_stamps, real_stamps
from napari_organoid_synth.core.pairs.pair import MaskKind
from napari_organoid_synth.core.pairs.table import PairTable
from napari_organoid_synth.core.runs.files import previews, read_preview
from napari_organoid_synth.widgets.paint.start import usable_rows
from napari_organoid_synth.widgets.shared.runs import RunInfo, list_runs

if TYPE_CHECKING:
    from pathlib import Path

    from napari_organoid_synth.core.project import Project

READ_PAIRS = 8
"""Real pairs whose objects become shapes, at most."""
SOURCES = {"real": "from real masks", "fitted": "like real ones, drawn", "generated": "from a mask generator"}


@dataclass(frozen=True)
class Shapes:
    """What shapes of new cells can be taken from.

    Parameters
    ----------
    mask_kind : {"binary", "classes", "instances"}
        Of the painting.
    table : PairTable, optional
        The real pairs.
    run : RunInfo, optional
        The newest one that drew masks of this kind.
    preview : Path, optional
        The newest masks that it drew.
    """

    mask_kind: MaskKind
    table: PairTable | None = None
    run: RunInfo | None = None
    preview: Path | None = None

    @property
    def sources(self) -> dict[str, str]:
        """Title of each source that there is, by its key."""
        offered = {"real": True, "fitted": self.mask_kind != "classes", "generated": self.run is not None}
        return {key: title for key, title in SOURCES.items() if offered[key]}

    @property
    def rows(self) -> list[Any]:
        """Rows of the table whose masks are read."""
        return [entry for entry in usable_rows(self.table) if entry.n_objects != 0][:READ_PAIRS]

    def key(self, source: str) -> tuple[Any, ...]:
        """Return what the shapes of a source depend on."""
        if source == "generated":
            return source, self.preview
        return source, *(entry.name for entry in self.rows)

    def read(self, source: str) -> list[Stamp]:
        """Read files and return shapes; for the background thread.

        Raises
        ------
        UserError
            If there is nothing to take shapes from, or it has no shapes.
        """
        if source == "generated" and self.run is not None and self.preview is not None:
            masks = read_preview(self.preview)[1]
            title = self.run.title.partition(" · ")[0]
            return generated_stamps(masks, self.mask_kind, self.run.class_names, self.run.name, title)
        from napari_organoid_synth.core.pairs.loading import read_entry

        table, rows = self.table, self.rows
        if table is None or not rows:
            raise UserError(
                "There are no real pairs to take shapes from.", "Expected some.", "Add pairs, or use the brush."
            )
        pairs = [read_entry(row, table.mask_kind, table.class_names) for row in rows]
        return fitted_stamps(pairs) if source == "fitted" else real_stamps(pairs)


def shapes_of(project: Project | None, table: PairTable | None, mask_kind: MaskKind) -> Shapes:
    """Return what shapes can be taken from in a project.

    Parameters
    ----------
    project : Project, optional
        Whose runs are looked through.
    table : PairTable, optional
        Its real pairs.
    mask_kind : {"binary", "classes", "instances"}
        Of the painting.
    """
    if project is None:
        return Shapes(mask_kind, table)
    for run in list_runs(project):
        drawn = previews(project.path / "runs" / run.name)
        if run.shape in ("mask", "joint") and run.mask_kind == mask_kind and not run.problem and drawn:
            return Shapes(mask_kind, table, run, drawn[-1][1])
    return Shapes(mask_kind, table)
