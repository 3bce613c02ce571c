"""The accepted pairs as files that other programs train on, every one read back and compared."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from napari_organoid_synth.core.errors import DiskFull, UserError, is_disk_full
from napari_organoid_synth.core.export.manifest import ExportResult
from napari_organoid_synth.core.export.selection import Selection, select
from napari_organoid_synth.core.export.settings import ExportSettings
from napari_organoid_synth.core.export.writer import SetWriter
from napari_organoid_synth.core.job import Control, Event, Finished, Progress, Started
from napari_organoid_synth.core.plain_values import reason
from napari_organoid_synth.core.project import Project
from napari_organoid_synth.core.quantities import plural
from napari_organoid_synth.core.samples.store import SampleStore

REPORT_SECONDS = 0.5
COPIES = ("copy of a real image", "copies of real images")


def export(project: Project, settings: ExportSettings, control: Control) -> Iterator[Event]:
    """Write the accepted pairs, the project's test images, and the real training pairs if wanted, in the layouts.

    Everything is written into a hidden folder beside the target, which is renamed at the end: stopped, killed or out of
    disk space, there is no partial export. Samples flagged as copies of a real image are left out unless the settings
    give a reason; the manifest then names them and the reason.

    Parameters
    ----------
    project : Project
        With accepted samples.
    settings : ExportSettings
        Layouts, folder, share for testing, and whether real pairs are included.
    control : Control
        Cancel is honoured after the pair in progress; nothing is left then.

    Yields
    ------
    Event
        Started, Progress, and Finished with the fields of `ExportResult`.

    Raises
    ------
    UserError
        If nothing is accepted, the folder is not empty, a layout cannot contain the set, the disk is full, or a file
        reads back different.
    """
    target = _target(project, settings)
    with SampleStore(project.samples_path) as store:
        selection = select(project, store, settings)
        items, total = selection.items, len(selection.items)
        skipped = len(selection.skipped_copies)
        yield Started(0, {"total": total, "folder": str(target), "skipped_copies": skipped})
        with _all_or_nothing(target, bool(settings.folder)) as (folder, target):
            writer = SetWriter(folder, project, settings)
            reported = begun = time.monotonic()
            for step, (item, split) in enumerate(zip(items, selection.splits, strict=True), start=1):
                yield from control.wait_while_paused(step - 1)
                if control.canceled:
                    shutil.rmtree(folder, ignore_errors=True)
                    yield Finished(step - 1, "canceled", ExportResult().model_dump(mode="json"))
                    return
                writer.add(item, item.load(store), split)
                if time.monotonic() - reported > REPORT_SECONDS:
                    reported = time.monotonic()
                    rate = step / (reported - begun)
                    yield Progress(step, total, rate=rate, seconds_left=(total - step) / rate)
            writer.finish(selection)
    yield Progress(total, total)
    yield Finished(total, "completed", _result(target, selection, settings, writer.remarks).model_dump(mode="json"))


def _target(project: Project, settings: ExportSettings) -> Path:
    if not settings.folder:
        return project.path / "exports" / time.strftime("%Y%m%d-%H%M%S")
    target = Path(settings.folder).expanduser().absolute()
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        problem = "is not empty" if target.is_dir() else "is a file"
        raise UserError(f"{target} {problem}.", "Expected a new or empty folder.", "Choose another folder.")
    return target


def _hidden(target: Path) -> Path:
    return target.with_name(f".{target.name}.part")


def _reserved(target: Path) -> Path:
    """Return the target, or one with a number where another export began in the same second."""
    for name in (target.name, *(f"{target.name}-{number}" for number in range(2, 1000))):
        free = target.with_name(name)
        if not free.exists():
            with suppress(FileExistsError):
                _hidden(free).mkdir(parents=True)
                return free
    raise UserError(f"{target} is in use by other exports.", todo="Name a folder.")


@contextmanager
def _all_or_nothing(target: Path, is_named: bool) -> Iterator[tuple[Path, Path]]:
    """Give a hidden folder, and the target that it becomes at the end; after an error nothing is left."""
    folder = _hidden(target)
    try:
        if is_named:
            shutil.rmtree(folder, ignore_errors=True)  # of an export that was killed
            folder.mkdir(parents=True)
        else:
            target = _reserved(target)
            folder = _hidden(target)
        yield folder, target
        if folder.exists():  # else it was canceled
            if target.exists():
                target.rmdir()  # empty: `_target` made sure
            folder.replace(target)
    except BaseException as error:
        shutil.rmtree(folder, ignore_errors=True)
        if isinstance(error, OSError):
            if is_disk_full(error):
                raise DiskFull(target) from error
            raise UserError(
                f"Cannot write {target}: {reason(error)}.", "Expected a writable folder.", "Choose another folder."
            ) from error
        raise


def _result(target: Path, selection: Selection, settings: ExportSettings, remarks: Sequence[str]) -> ExportResult:
    number, n_test = len(selection.items), selection.splits.count("test")
    skipped, copies = len(selection.skipped_copies), len(selection.copies)
    sentences = [f"{plural(number, 'pair')} exported and verified.", _test_sentence(selection)]
    if selection.misfits:
        sentences.append(selection.misfits)
    if skipped:
        sentences.append(f"{plural(skipped, *COPIES)} left out.")
    if selection.skipped_tests:
        sentences.append(f"{plural(len(selection.skipped_tests), 'pair')} made from test images left out.")
    if selection.unreadable:
        names = ", ".join(selection.unreadable[:3]) + (", …" if len(selection.unreadable) > 3 else "")
        sentences.append(f"{plural(len(selection.unreadable), 'test image')} cannot be read: {names}.")
    sentences += remarks
    if copies:
        sentences.append(f"{plural(copies, *COPIES)} included: {settings.copies.strip()}")
    return ExportResult(
        folder=str(target),
        written=number,
        checked=number,
        train=number - n_test,
        test=n_test,
        real=sum(item.entry is not None for item in selection.items),
        skipped_copies=skipped,
        skipped_tests=len(selection.skipped_tests),
        copies=copies,
        formats=settings.formats,
        files=tuple(path.relative_to(target).as_posix() for path in sorted(target.rglob("*")) if path.is_file()),
        sentence=" ".join(sentences),
    )


def _test_sentence(selection: Selection) -> str:
    """Say what the test folders hold."""
    n_synthetic = selection.n_synthetic_tests
    n_real = selection.splits.count("test") - n_synthetic
    real = f"{plural(n_real, 'real image')} for testing." if n_real else "No real image is for testing."
    if not n_synthetic:
        return real if n_real else f"{real} Mark some as test images to fill the test folders."
    return f"{real} {plural(n_synthetic, 'synthetic pair')} for testing: scores on them say little about real images."
