"""The accepted pairs as files that other programs train on, every one read back and compared."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from napari_organoid_synth import __version__
from napari_organoid_synth.core.atomic import write_text
from napari_organoid_synth.core.errors import DiskFull, UserError, is_disk_full
from napari_organoid_synth.core.export.layouts import LAYOUTS, Facts, check_uniform, reads_back, write_file
from napari_organoid_synth.core.export.settings import ExportSettings
from napari_organoid_synth.core.job import Control, Event, Finished, Progress, Started
from napari_organoid_synth.core.pairs import ome_tiff
from napari_organoid_synth.core.pairs.loading import load_pairs
from napari_organoid_synth.core.pairs.pair import SamplePair, content_hash
from napari_organoid_synth.core.project import Project, file_stem
from napari_organoid_synth.core.samples.store import SampleRow, SampleStore

REPORT_SECONDS = 0.5
OME_NOTE = "As in the project, with provenance, scores and verdict in the OME annotations."


@dataclass(frozen=True)
class Item:
    """One pair to export: a sample of the store, or a real pair."""

    name: str
    group: str
    row: SampleRow | None = None
    real: SamplePair | None = field(default=None, repr=False)


def export(project: Project, settings: ExportSettings, control: Control) -> Iterator[Event]:
    """Write the accepted pairs, and the real training pairs if asked, in the chosen layouts.

    Everything is written into a hidden folder beside the target, which is renamed at the end: stopped, killed or out of
    disk, there is no half export. Samples flagged as copies of a real image are left out, unless the settings say why
    not; the manifest then names them and the reason.

    Parameters
    ----------
    project : Project
        With accepted samples.
    settings : ExportSettings
        Layouts, folder, share to put aside, and whether real pairs are included.
    control : Control
        Cancel is honoured after the pair in progress; nothing is left then.

    Yields
    ------
    Event
        Started, Progress, and Finished with ``folder``, ``written`` and ``checked`` (pairs), ``train``, ``test``,
        ``real``, ``skipped_copies``, ``copies``, ``formats`` and ``sentence``.

    Raises
    ------
    UserError
        If nothing is accepted, the folder is not empty, a layout cannot hold the set, the disk is full, or a file reads
        back different.
    """
    target = _target(project, settings)
    part = target.with_name(f".{target.name}.part")
    with SampleStore(project.samples_path) as store:
        items, copies = _items(project, store, settings)
        overridden = [item.row.id for item in items if item.row and _is_copy(item.row)]
        tests, split_by = split_groups([item.group for item in items], settings.validation, settings.seed)
        yield Started(0, {"total": len(items), "folder": str(target), "skipped_copies": len(copies)})
        with _half_written(part, target):
            part.mkdir(parents=True)
            records: list[dict[str, Any]] = []
            traits: list[tuple[str, str]] = []
            facts: Facts | None = None
            reported = begun = time.monotonic()
            for step, (item, test) in enumerate(zip(items, tests, strict=True), start=1):
                yield from control.wait_while_paused(step - 1)
                if control.canceled:
                    shutil.rmtree(part, ignore_errors=True)
                    yield Finished(step - 1, "canceled", {"written": 0, "folder": ""})
                    return
                pair = _load(store, item)
                split = "test" if test else "train"
                records.append(_write(part, project, settings, item, pair, split))
                facts = facts or _facts(project, pair, tests.count(False))
                traits.append((item.name, _traits(pair)))
                for layout in settings.formats:
                    if layout != "ome-tiff":
                        check_uniform(LAYOUTS[layout], [traits[0], traits[-1]])
                if time.monotonic() - reported > REPORT_SECONDS:
                    reported = time.monotonic()
                    rate = step / (reported - begun)
                    yield Progress(step, len(items), rate=rate, seconds_left=(len(items) - step) / rate)
            assert facts is not None  # there is at least one item
            documents = _documents(part, project, settings, facts, records)
            summary: dict[str, Any] = {
                "split_by": split_by,
                "skipped_copies": copies,
                "samples": records,
                "documents": documents,
            }
            if overridden:
                summary["copies"] = {"reason": settings.copies.strip(), "samples": overridden}
            _write_manifest(part, project, settings, summary)
            if target.exists():
                target.rmdir()  # empty: `_target` saw to it
            part.replace(target)
    n, n_test = len(items), tests.count(True)
    sentence = f"Checked: {n} of {n} read back equal."
    if copies:
        sentence += f" Left out {len(copies)} flagged as copies of a real image."
    if overridden:
        sentence += f" {len(overridden)} flagged as copies of a real image are in it: {settings.copies.strip()}"
    result = {
        "folder": str(target),
        "written": n,
        "checked": n,
        "train": n - n_test,
        "test": n_test,
        "real": sum(item.real is not None for item in items),
        "skipped_copies": len(copies),
        "copies": len(overridden),
        "formats": list(settings.formats),
        "sentence": sentence,
    }
    yield Progress(n, n)
    yield Finished(n, "completed", result)


def _target(project: Project, settings: ExportSettings) -> Path:
    if not settings.folder:
        return project.path / "exports" / time.strftime("%Y%m%d-%H%M%S")
    target = Path(settings.folder).expanduser().absolute()
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        what = "is not empty" if target.is_dir() else "is a file"
        raise UserError(f"{target} {what}.", "Expected a new or empty folder.", "Choose another folder.")
    return target


def _items(project: Project, store: SampleStore, settings: ExportSettings) -> tuple[list[Item], list[str]]:
    """What to export, and the ids of accepted samples that are left out because they are copies."""
    accepted = store.rows("accepted")
    copies = [] if settings.copies.strip() else [row.id for row in accepted if _is_copy(row)]
    chosen = [row for row in accepted if row.id not in copies]
    if not chosen:
        counts = store.counts()
        found, more = f"No pair is accepted ({counts['new']} new, {counts['rejected']} rejected).", ""
        if copies:
            found = f"All {len(copies)} accepted pairs are flagged as copies of real images."
            more = ", or say in 'copies' why they are wanted"
        raise UserError(found, "Expected at least one.", f"Accept some pairs in the Curate dock{more}.")
    items = [Item(row.id, _origin(store.pair(row.id)), row=row) for row in chosen]
    taken = {item.name.casefold() for item in items}
    for pair in load_pairs(project, split="train") if settings.include_real else ():
        stem, number = file_stem(pair.name), 1
        while (name := stem if number == 1 else f"{stem}-{number}").casefold() in taken:
            number += 1
        taken.add(name.casefold())
        items.append(Item(name, pair.name, real=pair))
    return items, copies


def _is_copy(row: SampleRow) -> bool:
    return "copy" in row.flagged.split(", ")


def _origin(pair: SamplePair) -> str:
    """Name of the real image whose mask a sample was painted on, else its own."""
    mask = pair.source.provenance.get("mask", {})
    if mask.get("kind") in ("real", "warped"):
        return re.sub(r"_y\d+_x\d+_r\dm?$", "", str(mask.get("name", pair.name)))
    return f"sample {pair.name}"


def split_groups(groups: list[str], share: float, seed: int) -> tuple[list[bool], str]:
    """Which entries to put aside: about ``share`` of them, the same for a seed.

    Entries that come from one real image stay together, so that no mask is on both sides; with too few real images for
    that, entries are drawn one by one.

    Returns
    -------
    list of bool
        At least one is True and one False when the share is above 0 and there are two entries.
    str
        What was split: "real image" or "pair".
    """
    by = "real image"
    if len(set(groups)) * share < 1:
        groups, by = [f"{number:09d}" for number in range(len(groups))], "pair"
    sizes = sorted(Counter(groups).items())
    wanted, count = share * len(groups), 0
    aside: set[str] = set()
    for index in np.random.default_rng(seed).permutation(len(sizes))[: len(sizes) - 1]:
        group, size = sizes[index]
        if share > 0 and (not aside or count + size / 2 <= wanted):
            aside.add(group)
            count += size
    return [group in aside for group in groups], by


def _load(store: SampleStore, item: Item) -> SamplePair:
    """The pair under its file name, with verdict and scores in its provenance."""
    if item.real is not None:
        return item.real.replace(name=item.name)
    assert item.row is not None  # an item is one or the other
    pair, row = store.pair(item.row.id), item.row
    record = pair.source.provenance | {"verdict": row.verdict, "scores": row.scores, "run": row.run}
    source = pair.source.__class__(pair.source.kind, pair.source.files, record)
    return pair.replace(name=item.name, source=source)


def _write(
    part: Path, project: Project, settings: ExportSettings, item: Item, pair: SamplePair, split: str
) -> dict[str, Any]:
    """Write one pair in all layouts, compare, and return its entry in the manifest."""
    files: list[dict[str, str]] = []
    for format in settings.formats:
        if format == "ome-tiff":
            paths = ome_tiff.write_pair(part / "ome-tiff", pair)
            _refuse_if(not _same(ome_tiff.read_pair(paths[0]), pair), paths[0])
            files += [_file(part, path, format, role) for path, role in zip(paths, ("image", "labels"), strict=True)]
            continue
        layout = LAYOUTS[format]
        folder = part / layout.root(project.path.name)
        for file in layout.files(pair, split):
            path = write_file(folder, file, pair.pixel_size, pair.is_rgb)
            _refuse_if(not reads_back(folder, file), path)
            files.append(_file(part, path, format, file.role))
    row = item.row
    return {
        "name": item.name,
        "split": split,
        "synthetic": pair.source.kind in ("synthetic", "simulated"),
        "source": pair.source.kind,
        "verdict": row.verdict if row else None,
        "scores": row.scores if row else {},
        "note": row.note if row else "",
        "flagged": row.flagged if row else "",
        "run": row.run if row else "",
        "size": list(pair.size),
        "channels": list(pair.channel_names) or len(pair.image),
        "dtype": pair.image.dtype.name,
        "pixel_size": pair.pixel_size,
        "mask_kind": pair.mask_kind,
        "class_names": list(pair.class_names),
        "image_class": pair.image_class,
        "n_objects": pair.n_objects,
        "pixels": content_hash(pair.image, pair.labels),
        "provenance": pair.source.provenance,
        "source_files": [Path(file).name for file in pair.source.files],
        "files": files,
    }


def _same(found: SamplePair, pair: SamplePair) -> bool:
    """Whether two pairs agree in every field."""
    facts = ("name", "mask_kind", "class_names", "channel_names", "image_class", "source")
    sizes = (found.pixel_size, pair.pixel_size)
    return (
        found.image.dtype == pair.image.dtype
        and np.array_equal(found.image, pair.image, equal_nan=pair.image.dtype.kind == "f")
        and np.array_equal(found.labels, pair.labels)
        and (sizes[0] == sizes[1] or (None not in sizes and np.allclose(*sizes)))  # type: ignore[arg-type]
        and all(_plain(getattr(found, fact)) == _plain(getattr(pair, fact)) for fact in facts)
    )


def _plain(value: Any) -> str:
    return json.dumps(value, default=asdict, sort_keys=True)


def _refuse_if(different: bool, path: Path) -> None:
    if different:
        raise UserError(
            f"{path.name} reads back different from what was written.",
            "Nothing was exported.",
            "Check the disk, then export again.",
        )


def _file(part: Path, path: Path, layout: str, role: str) -> dict[str, str]:
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    return {"path": path.relative_to(part).as_posix(), "sha256": digest, "layout": layout, "role": role}


def _traits(pair: SamplePair) -> str:
    channels = "RGB" if pair.is_rgb else f"{len(pair.image)} channel{'s' if len(pair.image) > 1 else ''}"
    return f"{channels}, classes {', '.join(pair.class_names) if pair.mask_kind == 'classes' else '1'}"


def _facts(project: Project, pair: SamplePair, n_train: int) -> Facts:
    channels = pair.channel_names or tuple(f"channel {number}" for number in range(len(pair.image)))
    return Facts(project.path.name, n_train, channels, pair.is_rgb, pair.mask_kind, pair.class_names)


def _documents(
    part: Path, project: Project, settings: ExportSettings, facts: Facts, records: list[dict[str, Any]]
) -> list[dict[str, str]]:
    """Text files of the layouts, the settings and the recipes of the runs."""
    texts = {"export.yaml": settings.to_yaml()}
    for format in settings.formats:
        if format == "ome-tiff":
            continue
        layout = LAYOUTS[format]
        root = layout.root(project.path.name)
        for folder in layout.folders:
            (part / root / folder).mkdir(parents=True, exist_ok=True)
        texts |= {f"{root}/{path}": text for path, text in layout.documents(facts).items()}
    for run in sorted({record["run"] for record in records if record["run"]}):
        recipe = project.path / "runs" / Path(run).name / "recipe.yaml"  # a name from the database, not a path
        if recipe.exists():
            texts[f"recipes/{file_stem(run)}.yaml"] = recipe.read_text(encoding="utf-8")
    for path, text in texts.items():
        write_text(part / path, text)
    return [_file(part, part / path, "", "text") for path in texts]


def _write_manifest(part: Path, project: Project, settings: ExportSettings, summary: dict[str, Any]) -> None:
    manifest = {
        "format": 1,
        "software": f"napari-organoid-synth {__version__}",
        "created": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        "project": project.path.name,
        "settings": settings.model_dump(mode="json"),
        "labels": {
            format: OME_NOTE if format == "ome-tiff" else LAYOUTS[format].labels_note for format in settings.formats
        },
        **summary,
    }
    text = json.dumps(manifest, indent=1, ensure_ascii=False)
    write_text(part / "manifest.json", text)
    _refuse_if(
        json.loads((part / "manifest.json").read_text(encoding="utf-8")) != json.loads(text), part / "manifest.json"
    )


@contextmanager
def _half_written(part: Path, target: Path) -> Iterator[None]:
    """Remove what is half written, and say why in plain words."""
    shutil.rmtree(part, ignore_errors=True)  # a killed export left it
    try:
        yield
    except BaseException as error:
        shutil.rmtree(part, ignore_errors=True)
        if isinstance(error, OSError):
            if is_disk_full(error):
                raise DiskFull(target) from error
            raise UserError(f"Cannot write {target}: {error}.", "Expected a folder that can be written.") from error
        raise
