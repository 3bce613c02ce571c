"""Settings of the command samples."""

from __future__ import annotations

from pydantic import Field

from napari_organoid_synth.core.fields import Names
from napari_organoid_synth.core.frozen_model import Settings

WHICH = "name of a sample, best:N, diverse:N, or found: all that the query finds. Repeatable."


class SamplesSettings(Settings):
    """List samples, and decide about them; all changes of one call are undone one by one."""

    query: str = Field("", description="Only these: 'objects > 5 and not flagged', as in Curate.")
    sort: str = Field("created", description="created, name or a score; with - before it the highest first.")
    limit: int = Field(0, ge=0, description="List and change only so many of those found; 0: all.")
    accept: Names = Field((), description=f"Accept: {WHICH}")
    anyway: bool = Field(
        False, description="Accept best:N and diverse:N of runs, too, that are far from the originals as a set."
    )
    reject: Names = Field((), description=f"Reject: {WHICH}")
    reset: Names = Field((), description=f"Take the verdict back: {WHICH}")
    tag: Names = Field((), description="Tag for all that the query finds. Repeatable.")
    untag: Names = Field((), description="Tag to remove from all that the query finds. Repeatable.")
    flag: str = Field("", description="Flag for all that the query finds: a word for why they should not be used.")
    unflag: str = Field("", description="Flag to remove from all that the query finds.")
    note: str = Field("", description="Note for all that the query finds.")
    no_note: bool = Field(False, description="Remove the notes of all that the query finds.")
    delete: Names = Field((), description=f"Move to the bin of the project: {WHICH}")
    restore: Names = Field((), description="Bring back from the bin: name of a sample, or all. Repeatable.")
    deleted: bool = Field(False, description="List the samples in the bin instead.")
    undo: bool = Field(False, description="Undo the last change.")
    redo: bool = Field(False, description="Redo the change that was undone last.")
    add: Names = Field(
        (),
        description="Folder, or file, of pairs that this program wrote: import them. Repeatable.",
        json_schema_extra={"option": "--import"},
    )
    csv: str = Field("", description="Write the samples that the query finds to this file.")
    rebuild: bool = Field(False, description="Rebuild a damaged list of samples from the images; verdicts are lost.")
