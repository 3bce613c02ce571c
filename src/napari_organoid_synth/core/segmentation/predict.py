"""Apply a trained segmenter to images of any size: label images as OME-TIFF, and a table of all objects.

Each image is read, marked and written separately, labels last and as a whole. Predictions of the same pixels by the
same segmenter are kept, so that a stopped run continues where it was.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast, get_args

import numpy as np
from numpy.typing import NDArray

from napari_organoid_synth.core.device import describe_device, is_out_of_memory, pick_device, use_threads
from napari_organoid_synth.core.errors import DiskFull, UserError, plain_text, sentence_of
from napari_organoid_synth.core.frozen_model import FrozenModel
from napari_organoid_synth.core.job import Added, Control, Event, Finished, Progress, Started, Warned
from napari_organoid_synth.core.pairs.checking import refuse_values
from napari_organoid_synth.core.pairs.discovery import paths_of
from napari_organoid_synth.core.pairs.entry_reading import read_plane
from napari_organoid_synth.core.pairs.filenames import below_sentence, distinct_names, list_files, stem
from napari_organoid_synth.core.pairs.ome_tiff import (
    LABELS_ENDING,
    MAP_ENDINGS,
    read_info,
    read_labels,
    read_source,
    write_labels,
    write_maps,
)
from napari_organoid_synth.core.pairs.pair import SamplePair, Source, content_hash
from napari_organoid_synth.core.pairs.reading.formats import READABLE, is_folder, refuse_odd_name, short
from napari_organoid_synth.core.pairs.stacks import USE_TEXTS, Channels, Projection, StackUse
from napari_organoid_synth.core.pairs.table import PairTable
from napari_organoid_synth.core.project import Project, file_stem
from napari_organoid_synth.core.quantities import pixels, plural
from napari_organoid_synth.core.segmentation.catalog import TrainedSegmenter, find_segmenter
from napari_organoid_synth.core.segmentation.measurements import Row, measure, read_rows, write_rows
from napari_organoid_synth.core.segmentation.segmenters.base import Segmenter, load_segmenter
from napari_organoid_synth.core.segmentation.segmenters.trust import refuse_untrusted, trust
from napari_organoid_synth.core.segmentation.settings import PredictSettings

FLOW = "dy", "dx"  # channels


def predict(project: Project, settings: PredictSettings, control: Control) -> Iterator[Event]:
    """Mark the objects of images.

    Parameters
    ----------
    project : Project
        Whose comparisons hold the segmenter, and which says at which share of their size images were learned from.
    settings : PredictSettings
        Segmenter, images, folder, which maps are wanted beside the labels.
    control : Control
        Pause and cancel are honoured after the image in progress.

    Yields
    ------
    Event
        Started; Progress; Added with the name of each image that was marked; Warned of each image that could not be,
        and where a segmenter marks what it was trained on; Finished with the values of a `PredictResult`.

    Raises
    ------
    UserError
        If there is no segmenter or no image, none could be marked, or a flow is wanted of a segmenter without.
    """
    use_threads(settings.threads)
    device = pick_device(settings.device)
    planes = list(find_planes(settings.images, settings.planes))
    marker = _Marker.of(project, settings, str(device))
    info = {"segmenter": marker.name, "folder": str(marker.folder), "device": describe_device(device)}
    yield Started(0, info | {"total": len(planes), "scale": marker.scale})
    for sentence in (stack_sentence(planes), *map(below_sentence, paths_of(settings.images))):
        if sentence:
            yield Warned(0, sentence)
    tally, began = _Tally(rows=read_rows(marker.folder)), time.monotonic()
    for number, plane in enumerate(planes, 1):
        try:
            if marker.mark(plane, tally):
                yield Added(number, (plane.name,))
        except DiskFull:
            raise
        except Exception as error:  # one odd file never stops the others
            tally.failed[plane.name] = sentence_of(error, short(plane.path))
            if len(tally.failed) == len(planes):
                raise _none_marked(tally.failed, error) from None
            yield Warned(number, tally.failed[plane.name])
        seconds_left = (time.monotonic() - began) / number * (len(planes) - number)
        yield Progress(number, len(planes), seconds_left=seconds_left, note=plane.name)
        yield from control.wait_while_paused(number)
        if control.canceled:
            break
    tally.table = str(write_rows(marker.folder, tally.rows))
    if tally.trained_on:
        yield Warned(number, trained_on_warning(tally.trained_on, len(planes)))
    result = tally.result(marker).model_dump(mode="json", exclude_none=True)
    yield Finished(number, "canceled" if number < len(planes) else "completed", result)


def _none_marked(failed: dict[str, str], last: Exception) -> UserError:
    """Return the error of a run in which no image could be marked; of a single one its own."""
    if len(failed) == 1:
        return last if isinstance(last, UserError) else UserError(*failed.values())
    if len(set(failed.values())) == 1:  # such as all slices of a stack
        return UserError(
            f"None of the {len(failed)} images could be marked, for the same reason. {next(iter(failed.values()))}"
        )
    reasons = " ".join(f"{name}: {reason}" for name, reason in failed.items())
    return UserError(f"None of the {len(failed)} images could be marked. {reasons}")


class PredictResult(FrozenModel):
    """Result of `predict`.

    Parameters
    ----------
    segmenter, folder : str
        Its name, and where the label images lie.
    images, done_before : int
        Images that were marked, and that had been marked before.
    files : tuple of str
        The label image of each, also of those done before.
    failed : dict of str to str
        Name of each image that could not be marked, and why.
    cover : float, optional
        Mean share of an image that is marked; None if none was.
    objects : int, optional
        Of all images, for instances.
    measurements : str
        The table of all objects in the folder, CSV.
    """

    segmenter: str
    folder: str
    images: int
    done_before: int
    files: tuple[str, ...]
    failed: dict[str, str]
    cover: float | None = None
    objects: int | None = None
    measurements: str = ""


@dataclass
class _Tally:
    """Counts of the images marked so far."""

    cover: list[float] = field(default_factory=list)
    objects: int = 0
    done_before: int = 0
    files: list[str] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)
    trained_on: list[str] = field(default_factory=list)
    rows: dict[str, list[Row]] = field(default_factory=dict)
    table: str = ""

    def result(self, marker: _Marker) -> PredictResult:
        return PredictResult(
            segmenter=marker.name,
            folder=str(marker.folder),
            images=len(self.cover),
            done_before=self.done_before,
            files=tuple(self.files),
            failed=self.failed,
            cover=round(float(np.mean(self.cover)), 4) if self.cover else None,
            objects=self.objects if marker.segmenter.spec.mask_kind == "instances" else None,
            measurements=self.table,
        )


def default_folder(project: Project, trained: TrainedSegmenter) -> Path:
    """Return where predictions go unless a folder is named."""
    return project.path / "predictions" / file_stem("-".join(Path(trained.name).parts[-3:]))


def trained_on_warning(names: Sequence[str], of: int) -> str:
    """Return the warning about predictions on training images."""
    examples = ", ".join(names[:3]) + (", …" if len(names) > 3 else "")
    return (
        f"{len(names)} of {of} image{'s were' if of > 1 else ' was'} trained on ({examples}): such predictions look "
        "better than those on new images."
    )


@dataclass(frozen=True)
class Plane:
    """An image to mark: a file, a slice of one, or its slices as one image."""

    path: Path
    page: int | None
    name: str
    use: StackUse = ""


def find_planes(images: Sequence[str], planes: str = "slices") -> Iterator[Plane]:
    """Yield the images in folders and files, in natural order, without the files that `predict` wrote.

    Files of one name are told apart by their folders. A stack gives one for each slice, ``NAME_z001`` and so on, or
    with another choice of ``planes`` (max, mean, channels, the number of a slice from 0) a single one.

    Raises
    ------
    UserError
        If a folder is missing or there is no image.
    """
    files: list[Path] = []
    for path in paths_of(images):
        files += list_files(path) if is_folder(path) else [path]
    files = [path for path in dict.fromkeys(files) if not path.name.endswith(LABELS_ENDING) and not _is_map(path)]
    if not files:
        raise UserError(
            f"There is no image in {', '.join(images)}." if images else "No images are named.",
            f"Expected {READABLE}.",
            "Choose another folder, or other files." if images else "Name a folder or files: --set images=FOLDER.",
        )
    places = [(path.absolute().parent, stem(path)) for path in files]
    names = [path.name if places.count(place) > 1 else place[1] for path, place in zip(files, places, strict=True)]
    for path, name in zip(files, distinct_names([path.absolute() for path in files], names), strict=True):
        name = plain_text(name)
        try:
            count = read_info(path).n_pages
        except UserError:
            count = 1  # the error comes when it is read again
        if count == 1:
            yield Plane(path, None, name)
        elif planes in get_args(Projection):
            yield Plane(path, None, name, cast("Projection", planes))
        else:
            pages = [int(planes)] if planes.isdigit() else range(count)
            yield from (Plane(path, page, f"{name}_z{page + 1:03d}", "slice") for page in pages)


def stack_sentence(planes: Sequence[Plane]) -> str:
    """Describe what is done with stacks; empty without one."""
    stacked = [plane for plane in planes if plane.use]
    if not stacked:
        return ""
    files = len({plane.path for plane in stacked})
    which = "1 file is a stack" if files == 1 else f"{files} files are stacks"
    if stacked[0].use == "slice":
        number = f"{len(stacked)} slices, each" if len(stacked) > 1 else f"slice {stacked[0].page}, which"
        return f"{which}: {number} is marked by itself; see planes for max, mean or channels."
    return f"{which}: marked is the {USE_TEXTS[stacked[0].use]}."


def _is_map(path: Path) -> bool:
    """Return whether `predict` wrote the file; an image of a person may be called ``chip_flow.ome.tif`` too."""
    if not path.name.endswith(tuple(MAP_ENDINGS.values())):
        return False
    try:
        return read_source(path).kind == "predicted"
    except UserError:
        return False  # the error comes when it is read again


def _scale(project: Project, trained: TrainedSegmenter, settings: PredictSettings) -> float:
    """Return the share of their size at which images are marked: that at which the segmenter learned."""
    if settings.scale is not None:
        return settings.scale
    if (scale := trained.training_note().scale) is not None:
        return scale
    if trained.comparison and project.pairs_path.exists():
        return PairTable.from_file(project.pairs_path).scale
    return 1.0


@dataclass(frozen=True)
class _Marker:
    """A segmenter, the maps it writes, where its predictions go, and the hashes of its training images."""

    name: str
    digest: str
    segmenter: Segmenter
    scale: float
    folder: Path
    maps: tuple[str, ...]
    trained_on: frozenset[str]
    channels: Channels = "as-stored"

    @classmethod
    def of(cls, project: Project, settings: PredictSettings, device: str) -> _Marker:
        """Load the segmenter.

        Raises
        ------
        UserError
            If there is none, or a flow is wanted of a segmenter without.
        """
        trained = find_segmenter(project, settings.segmenter)
        if settings.flow and not trained.draws_flow:
            raise UserError(
                f"'{trained.name}' has no flow.",
                "Expected a Cellpose segmenter: it alone finds objects by arrows.",
                "Leave 'flow' out, or choose another segmenter.",
            )
        segmenter = load_segmenter(trained.path, device)
        if settings.run_command:
            trust(segmenter.config)
        refuse_untrusted(segmenter.config, "If you know it, set run_command to true.")
        return cls(
            name=trained.name,
            digest=trained.digest,
            segmenter=segmenter,
            scale=_scale(project, trained, settings),
            folder=Path(settings.folder).expanduser() if settings.folder else default_folder(project, trained),
            maps=tuple(name for name in MAP_ENDINGS if getattr(settings, name)),
            trained_on=frozenset(trained.training_note().images.values()),
            channels=settings.channels,
        )

    def mark(self, plane: Plane, tally: _Tally) -> bool:
        """Mark an image and count it; return whether it had not been marked before."""
        plane = self.placed(plane)
        whole = self.read(plane)
        small = whole.shrunk(self.scale)
        is_new = not self.is_done(plane, whole.image)
        if is_new:
            labels = self.write(plane, whole, small)
            tally.cover.append(float((labels > 0).mean()))
            tally.objects += int(np.count_nonzero(np.unique(labels)))
        else:
            tally.done_before += 1
        path = self.paths(plane)[-1]
        tally.files.append(str(path))
        if is_new or plane.name not in tally.rows:
            tally.rows[plane.name] = measure(whole.replace(name=plane.name, labels=read_labels(path)))
        if content_hash(small.image) in self.trained_on:
            tally.trained_on.append(plane.name)
        return is_new

    def read(self, plane: Plane) -> SamplePair:
        """Read the image, with empty labels.

        Raises
        ------
        UserError
            If it cannot be read or has other channels than the segmenter knows.
        """
        refuse_odd_name(plane.path)
        image, info = read_plane(plane.path, plane.page, plane.use, self.channels)
        refuse_values(image, short(plane.path))
        spec, names = self.segmenter.spec, info.channel_names
        if len(image) == 3 and spec.channels == 1 and (image[1:] == image[:1]).all():
            image, names = image[:1], ()  # grey that was saved as colours
        if len(image) != spec.channels:
            raise UserError(
                f"{short(plane.path)} has {_channels(len(image))}.",
                f"The segmenter learned from images with {_channels(spec.channels)}.",
                "Choose images like those it was trained on"
                + (f", or set channels to {to}." if (to := {1: "grey", 3: "rgb"}.get(spec.channels)) else "."),
            )
        return SamplePair(
            name=plane.name,
            image=image,
            labels=np.zeros(image.shape[1:], np.int32),
            mask_kind=spec.mask_kind,
            class_names=spec.class_names,
            pixel_size=info.pixel_size,
            channel_names=names,
            source=Source("predicted", (str(plane.path),)),
        )

    def key(self, image: NDArray[Any]) -> str:
        """Return a key of the prediction: equal for equal predictions."""
        text = json.dumps([content_hash(image), self.digest, self.scale])
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def paths(self, plane: Plane) -> list[Path]:
        """Return the files of the maps, and last of the labels."""
        name = file_stem(plane.name)
        return [self.folder / f"{name}{ending}" for ending in (*(MAP_ENDINGS[one] for one in self.maps), LABELS_ENDING)]

    def placed(self, plane: Plane) -> Plane:
        """Return the plane under a name whose files are not predictions of another file; folders tell them apart."""
        name = plane.name
        for folder in [None, *plane.path.absolute().parents]:
            if folder is not None and folder.name:
                name = f"{folder.name}_{name}"
            sources = [read_source(path) for path in self.paths(replace(plane, name=name)) if path.exists()]
            if all(source.kind != "predicted" or source.files == (str(plane.path),) for source in sources):
                return replace(plane, name=name)
        return plane

    def is_done(self, plane: Plane, image: NDArray[Any]) -> bool:
        """Return whether the same prediction is there, with these maps.

        Raises
        ------
        UserError
            If a file of that name is not a prediction of this image.
        """
        key = self.key(image)
        # all of them before the answer, so that no foreign file is missed
        exists = [self._is_made(path, plane, key) for path in self.paths(plane)]
        return all(exists)

    def _is_made(self, path: Path, plane: Plane, key: str) -> bool:
        if not path.exists():
            return False
        source = read_source(path)
        if source.provenance.get("key") == key:
            return True
        if source.kind != "predicted" or source.files != (str(plane.path),):
            raise UserError(
                f"{short(path)} exists and is not a prediction of {short(plane.path)}.",
                "Expected a free file name.",
                "Choose another folder for the predictions.",
            )
        return False

    def write(self, plane: Plane, whole: SamplePair, small: SamplePair) -> NDArray[np.int32]:
        """Predict from the small image, write, and return the labels (Y, X) at the size of the whole one."""
        size = whole.size
        try:
            prediction = self.segmenter.predict(small.image)
        except RuntimeError as error:
            if not is_out_of_memory(error):
                raise
            raise UserError(
                f"Memory is full with {short(plane.path)}, {pixels(size)}.",
                "Expected room for one crop.",
                "Use the processor (device=cpu), or cut the image.",
            ) from None
        provenance = {
            "key": self.key(whole.image),
            "segmenter": self.name,
            "weights": self.digest,
            "config": self.segmenter.config.model_dump(mode="json"),
            "scale": self.scale,
            "image": content_hash(whole.image),
        }
        whole = whole.replace(
            labels=enlarged(prediction.labels, size),
            source=Source("predicted", (str(plane.path),), provenance),
        )
        *map_paths, labels_path = self.paths(plane)
        for name, path in zip(self.maps, map_paths, strict=True):
            values = getattr(prediction, name)
            write_maps(path, whole, enlarged(values, size), FLOW if name == "flow" else self._map_names(len(values)))
        write_labels(labels_path, whole)
        return whole.labels

    def _map_names(self, number: int) -> tuple[str, ...]:
        spec = self.segmenter.spec
        names = (*spec.class_names, "outline") if spec.mask_kind == "instances" else spec.class_names
        return (*names, *(f"map {index + 1}" for index in range(len(names), number)))[:number]


def _channels(number: int) -> str:
    return plural(number, "channel")


def enlarged(values: NDArray[Any], size: tuple[int, int]) -> NDArray[Any]:
    """Resize labels or maps (..., Y, X); each pixel takes the value at its middle.

    Examples
    --------
    >>> enlarged(np.array([[1, 2]]), (2, 4)).tolist()
    [[1, 1, 2, 2], [1, 1, 2, 2]]
    """
    if values.shape[-2:] == size:
        return values
    rows, columns = (
        ((np.arange(new) + 0.5) * old / new).astype(int) for new, old in zip(size, values.shape[-2:], strict=True)
    )
    return np.ascontiguousarray(values[..., rows[:, None], columns])
