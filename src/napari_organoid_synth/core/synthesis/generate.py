"""Draw new pairs from a trained run into the project."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from napari_organoid_synth import __version__
from napari_organoid_synth.core.codec.codec import Codec
from napari_organoid_synth.core.device import device_words, pick_device, random_stream, seed_of, use_threads
from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.job import Added, Control, Event, Finished, Progress, Started, Warned
from napari_organoid_synth.core.pairs.loading import load_pairs
from napari_organoid_synth.core.pairs.pair import SamplePair, Source, content_hash
from napari_organoid_synth.core.pairs.tile_reading import TilePlace
from napari_organoid_synth.core.pairs.tiling import MIN_OBJECTS, TileGrid, clean_instances, cut_pair, list_tiles
from napari_organoid_synth.core.project import Project
from napari_organoid_synth.core.recipe import Recipe
from napari_organoid_synth.core.runs.run import Checkpoint, Run, new_generator
from napari_organoid_synth.core.runs.sharing import find_run
from napari_organoid_synth.core.samples.store import SampleStore
from napari_organoid_synth.core.simulators.illumination import add_background
from napari_organoid_synth.core.simulators.population import NO_PLACE, place
from napari_organoid_synth.core.synthesis.settings import GenerateSettings
from napari_organoid_synth.core.training.dataset import decode_sample

if TYPE_CHECKING:
    from napari_organoid_synth.core.generators.base import Generator

TRIES = 20  # masks for one sample before it is given up
MARGIN = 1.25  # a mask is warped on a larger square, so that fewer pixels are mirrored in at the border


@dataclass(frozen=True)
class Mask:
    """Labels (Y, X) int32 to paint on, and where they come from."""

    labels: NDArray[np.int32]
    origin: dict[str, Any] = field(default_factory=dict)


Masks = Callable[[int, int], Mask]
"""Which mask belongs to (index of the sample, number of the try)."""


def generate(project: Project, settings: GenerateSettings, control: Control) -> Iterator[Event]:
    """Draw pairs and add them to the project's samples, in batches.

    A sample depends on the model, the settings and its index alone: more samples later, or another batch, give the
    same first samples.

    Yields
    ------
    Event
        Started, then Added with ids and Progress after each batch, Finished with the share of masks that were refused.

    Raises
    ------
    UserError
        If the run has no whole checkpoint, there are no masks to paint on, or hardly any mask is usable.
    """
    use_threads()
    run = find_run(project, settings.run)
    artist = Artist(project, run, settings)
    yield Started(
        0,
        {
            "run": run.name,
            "generator": artist.generator,
            "device": device_words(artist.device),
            "checkpoint": artist.checkpoint.step,
            "total": settings.number,
        },
    )
    began, done = time.perf_counter(), 0
    paused = 0.0
    with SampleStore(project.samples_path) as store:
        while done < settings.number and not control.canceled:
            indices = range(done, min(done + settings.batch, settings.number))
            pairs = artist.draw(indices)
            ids = store.add_many(pairs, run=run.name) if pairs else []
            done = indices.stop
            artist.check()
            rate = done / (time.perf_counter() - began - paused)
            yield Added(done, tuple(ids))
            yield Progress(
                done, settings.number, {"refused": artist.refused_share}, rate, (settings.number - done) / rate
            )
            waited = time.perf_counter()
            yield from control.wait_while_paused(done)
            paused += time.perf_counter() - waited
    if artist.missing:
        yield Warned(done, f"{artist.missing} of {done} samples were left out: no usable mask in {TRIES} tries.")
    if artist.left_out:
        yield Warned(done, f"{artist.left_out} objects of the masks were left out: {NO_PLACE}.")
    yield Finished(
        done,
        "completed" if done >= settings.number else "canceled",
        {
            "run": run.name,
            "checkpoint": artist.checkpoint.step,
            "added": done - artist.missing,
            "refused": round(artist.refused_share, 3),
            "seconds": round(time.perf_counter() - began - paused, 2),
        },
    )


class Artist:
    """A trained generator with its codec and its masks: gives the sample of any index.

    Parameters
    ----------
    project : Project
    run : Run
    settings : GenerateSettings

    Attributes
    ----------
    tried, refused, missing, left_out : int
        Masks so far, those that were not usable, samples without any, and objects that found no place in the masks.
    """

    def __init__(self, project: Project, run: Run, settings: GenerateSettings) -> None:
        if run.recipe.shape == "mask":
            raise UserError(
                f"Run {run.name} draws masks without images.",
                "Expected a run that draws or paints images.",
                f"Choose a painter and paint on its masks: masks=generated, mask_run={run.name}.",
            )
        self.run, self.settings = run, settings
        self.device = pick_device(settings.device)
        self.gan: Generator = new_generator(run.recipe, run.spec).to(self.device)
        self.checkpoint: Checkpoint = run.load(self.gan, run.pick(settings.checkpoint))
        self.masks = _masks(project, run, settings) if self.gan.kind == "painter" else None
        self.data = run.metadata.data
        self.tried = self.refused = self.missing = self.added = self.left_out = 0

    @property
    def generator(self) -> str:
        """Name of the generator."""
        return self.run.recipe.gan.name

    @property
    def refused_share(self) -> float:
        """Share of masks that were empty, too full or had too few objects."""
        return self.refused / max(self.tried, 1)

    def check(self) -> None:
        """Stop when nothing usable has come out so far."""
        if self.missing and not self.added:
            what = "masks to paint on" if self.masks else "masks that the generator draws"
            raise UserError(
                f"None of {self.tried} {what} is usable: empty, too full, or too few objects.",
                f"Expected at most {self.run.recipe.tiles.max_cover:.0%} covered.",
                "Choose other masks or a lower variety." if self.masks else "Train longer, or with more pairs.",
            )

    def draw(self, indices: Sequence[int]) -> list[SamplePair]:
        """The samples of these indices; one without a usable mask is left out."""
        # one by one on a processor: little slower, and the same bits whatever the batch
        size = 1 if self.device.type == "cpu" else len(indices)
        groups = [indices[start : start + size] for start in range(0, len(indices), size)]
        draw = self._paint if self.masks else self._draw_jointly
        pairs = [pair for group in groups for pair in draw(group)]
        self.added += len(pairs)
        self.missing += len(indices) - len(pairs)
        return pairs

    def _draw_jointly(self, indices: Sequence[int]) -> list[SamplePair]:
        found: dict[int, SamplePair] = {}
        for attempt in range(TRIES):
            pending = [index for index in indices if index not in found]
            if not pending:
                break
            streams = [self._stream(index, attempt) for index in pending]
            drawn = self.gan.sample(streams, image_class=self._classes(pending), variety=self.settings.variety)
            for index, sample in zip(pending, drawn, strict=True):
                image, labels = decode_sample(sample, self.run.codec, self.run.spec)
                if labels is None:  # images only
                    labels = np.zeros(sample.shape[-2:], np.int32)
                elif not self._usable(labels):
                    continue
                if image is not None:
                    found[index] = self._pair(index, attempt, image, Mask(labels))
        return [found[index] for index in sorted(found)]

    def _paint(self, indices: Sequence[int]) -> list[SamplePair]:
        assert self.masks is not None
        chosen: list[tuple[int, int, Mask]] = []
        for index in indices:
            for attempt in range(TRIES):
                mask = self.masks(index, attempt)
                if self._usable(mask.labels):
                    chosen.append((index, attempt, mask))
                    self.left_out += mask.origin.get("left_out", 0)
                    break
        tile = self.run.recipe.tiles.size
        if any(mask.labels.shape != (tile, tile) for _, _, mask in chosen):
            return [self._paint_large(*choice) for choice in chosen]
        if not chosen:
            return []
        condition = np.stack([self.run.codec.encode_condition(mask.labels) for _, _, mask in chosen])
        streams = [self._stream(index, attempt) for index, attempt, _ in chosen]
        samples = self.gan.sample(
            streams,
            condition=torch.from_numpy(condition),
            image_class=self._classes([index for index, _, _ in chosen]),
            variety=self.settings.variety,
        )
        return [
            self._pair(index, attempt, self._image(sample), mask)
            for (index, attempt, mask), sample in zip(chosen, samples, strict=True)
        ]

    def _paint_large(self, index: int, attempt: int, mask: Mask) -> SamplePair:
        """Paint a mask of any size tile by tile; tiles are blended while encoded."""
        height, width = mask.labels.shape
        grid = TileGrid((height, width), self.run.recipe.tiles.size, 0.5)
        tiles = grid.cut(self.run.codec.encode_condition(mask.labels))
        noise = self._stream(index, attempt)
        painted = (
            self.gan.sample(noise, condition=torch.from_numpy(np.ascontiguousarray(tile[None])))[0].cpu().numpy()
            for tile in tiles
        )
        image = self.run.codec.decode_image(grid.blend(painted))
        return self._pair(index, attempt, image, mask)

    def _image(self, sample: torch.Tensor) -> NDArray[Any]:
        image, _ = decode_sample(sample, self.run.codec, self.run.spec)
        assert image is not None
        return image

    def _class_index(self, index: int) -> int:
        """Which image class a sample gets: the one asked for, or each in turn."""
        classes, wanted = self.run.codec.image_classes, self.settings.image_class
        if not wanted:
            return index % max(len(classes), 1)
        if not self.gan.class_conditional:
            raise UserError(
                f"{self.generator} draws all image classes mixed; '{wanted}' cannot be asked for.",
                "Expected a generator that is told the class.",
                "Leave the class empty, or train cgan, progan, stylegan or stylegan2_ada.",
            )
        if wanted not in classes:
            raise UserError(
                f"There is no image class '{wanted}'.",
                f"Run {self.run.name} knows {', '.join(classes) or 'none'}.",
                "Choose one of these, or leave the class empty.",
            )
        return classes.index(wanted)

    def _classes(self, indices: Sequence[int]) -> torch.Tensor:
        return torch.tensor([self._class_index(index) for index in indices], device=self.device)

    def _stream(self, index: int, attempt: int) -> torch.Generator:
        return random_stream(self.device, *self._seed(index, attempt))

    def _seed(self, index: int, attempt: int) -> tuple[int | str, ...]:
        return self.settings.seed, "sample", index, attempt

    def _usable(self, labels: NDArray[np.int32]) -> bool:
        """Count a mask, and whether it is neither empty nor too full and has the objects that tiles need."""
        tiles, kind = self.run.recipe.tiles, self.run.codec.mask_kind
        fewest = MIN_OBJECTS[kind] if tiles.min_objects is None else tiles.min_objects
        objects = np.count_nonzero(np.unique(labels))
        cover = np.count_nonzero(labels) / labels.size
        usable = objects >= max(fewest, 1) and (kind == "classes" or cover <= tiles.max_cover)
        self.tried += 1
        self.refused += not usable
        return bool(usable)

    def _pair(self, index: int, attempt: int, image: NDArray[Any], mask: Mask) -> SamplePair:
        codec, settings = self.run.codec, self.settings
        told = bool(codec.image_classes) and self.gan.class_conditional
        provenance = {
            "run": self.run.name,
            "generator": self.generator,
            "model_sha256": self.checkpoint.sha256,
            "checkpoint": self.checkpoint.step,
            "seed": settings.seed,
            "index": index,
            "try": attempt,
            "latent_seed": str(seed_of(*self._seed(index, attempt))),  # 63 bits: too long for a JSON number
            "mask": {**mask.origin, "digest": content_hash(mask.labels)},
            "data": self.data,
            "settings": settings.model_dump(mode="json"),
            "software": __version__,
        }
        if settings.background:
            number = seed_of(settings.seed, "background", index)
            image = add_background(image, np.random.default_rng(number), settings.background)
            provenance["background"] = {"strength": settings.background, "seed": str(number)}
        return SamplePair(
            name=f"{self.generator}-{self.run.name.removesuffix('-train')}-s{settings.seed}-{index:05d}",
            image=image,
            labels=mask.labels,
            mask_kind=codec.mask_kind,
            class_names=codec.class_names,
            pixel_size=codec.pixel_size,
            channel_names=codec.channel_names,
            image_class=codec.image_classes[self._class_index(index)] if told else None,
            source=Source("synthetic", provenance=provenance),
        )


# ------------------------------------------------------------------------------------------------------------- masks


def _masks(project: Project, run: Run, settings: GenerateSettings) -> Masks:
    """The mask of every (index, try), as the settings say."""
    if settings.masks == "simulated":
        return _simulated(run.codec, run.recipe.tiles.size, settings.seed)
    if settings.masks == "generated":
        return _generated(project, run, settings)
    if settings.masks == "file":
        return _from_file(run.codec, settings.mask_file)
    pairs = load_pairs(project, split="train")
    if settings.masks == "real":
        return _real(pairs, run.recipe)
    if settings.masks == "fitted":
        return _fitted(pairs, run, settings.seed)
    return _warped(pairs, run.recipe.tiles.size, settings)


def _generated(project: Project, run: Run, settings: GenerateSettings) -> Masks:
    """New masks of a mask generator; one that fails the check comes back empty, and is tried again."""
    from napari_organoid_synth.core.synthesis.mask_sampler import DrawnMasks, check_same_masks

    name = settings.mask_run or _newest_mask_run(project)
    drawer = DrawnMasks(Run(project.run_path(name)), load_pairs(project, split="train"), settings.device)
    check_same_masks(run, drawer.run)

    def mask(index: int, attempt: int) -> Mask:
        labels, check = drawer.draw(settings.seed, "mask", index, attempt, variety=settings.variety)
        if not check.passed:
            return Mask(np.zeros_like(labels))
        origin = {"run": name, "checkpoint": drawer.checkpoint.step, "model_sha256": drawer.checkpoint.sha256}
        return Mask(labels, {"kind": "generated", **origin, "check": check.as_dict()})

    return mask


def _newest_mask_run(project: Project) -> str:
    for path in reversed(project.runs()):
        if Run(path).recipe.shape == "mask":
            return path.name
    raise UserError(
        f"{project.path.name} has no run that draws masks.",
        "Expected a trained mask generator.",
        "Train one with draws=masks, or choose other masks to paint on.",
    )


def _real(pairs: list[SamplePair], recipe: Recipe) -> Masks:
    """The upright tiles of the real pairs, one after the other."""
    upright = recipe.tiles.replace(turn=False, flip=False)
    tiles = [tile for tile in list_tiles(pairs, upright) if tile.kept]

    def mask(index: int, attempt: int) -> Mask:
        tile = tiles[(index + attempt) % len(tiles)]
        pair = cut_pair(pairs[tile.pair], tile)
        return Mask(np.ascontiguousarray(pair.labels), {"kind": "real", "name": pair.name})

    return mask


def _warped(pairs: list[SamplePair], side: int, settings: GenerateSettings) -> Masks:
    """A random square of a random real mask, turned, mirrored and bent."""
    from napari_organoid_synth.core.simulators.simulate import warp_labels

    wide = int(side * MARGIN)
    tiles = [_square_of(TilePlace.from_name(name), pairs, side, wide) for name in settings.mask_tiles]

    def mask(index: int, attempt: int) -> Mask:
        rng = np.random.default_rng(seed_of(settings.seed, "mask", index, attempt))
        if tiles:
            pair, y, x = tiles[rng.integers(len(tiles))]
            labels = TileGrid(pair.size, wide).padded(pair.labels)
        else:
            pair = pairs[rng.integers(len(pairs))]
            labels = TileGrid(pair.size, wide).padded(pair.labels)
            y, x = (int(rng.integers(length - wide + 1)) for length in labels.shape)
        warped = warp_labels(labels[y : y + wide, x : x + wide], rng, settings.variety)
        start = (wide - side) // 2
        labels = np.ascontiguousarray(warped[start : start + side, start : start + side])
        if pair.mask_kind == "instances":
            labels = clean_instances(labels)
        return Mask(labels, {"kind": "warped", "name": pair.name, "y": y, "x": x})

    return mask


def _square_of(place: TilePlace, pairs: list[SamplePair], side: int, wide: int) -> tuple[SamplePair, int, int]:
    """The pair of a real tile, and first row and column of the larger square around it, inside the (padded) image."""
    found = [pair for pair in pairs if pair.name == place.pair]
    if not found:
        raise UserError(
            f"The real image '{place.pair}' is not among the training pairs.",
            todo="Make the map again, then choose tiles.",
        )
    most = (max(length, wide) - wide for length in found[0].size)
    y, x = (min(max(0, first - (wide - side) // 2), last) for first, last in zip((place.y, place.x), most, strict=True))
    return found[0], y, x


def _fitted(pairs: list[SamplePair], run: Run, seed: int) -> Masks:
    """New objects, each mask with the count, sizes and shapes of a random real one and the clusters of all."""
    from napari_organoid_synth.core.simulators.population_fit import fit_each, refuse_classes

    codec = run.codec
    refuse_classes(codec.mask_kind, codec.class_names)
    fitted = [one.replace(mask_kind=codec.mask_kind) for one in fit_each(pairs)]

    def mask(index: int, attempt: int) -> Mask:
        number = seed_of(seed, "fitted", index, attempt)
        chosen = fitted[number % len(fitted)]
        labels, left_out = place(chosen, np.random.default_rng(number), run.recipe.tiles.size)
        how = {"seed": str(number), "left_out": left_out, "population": chosen.model_dump(mode="json")}
        return Mask(labels, {"kind": "fitted", **how})

    return mask


def _simulated(codec: Codec, side: int, seed: int) -> Masks:
    """Masks of the simulator that draws the same kind of mask with the same classes."""
    from napari_organoid_synth.core.simulators.simulate import SIMULATORS

    fitting = {"binary": "organoid_brightfield", "instances": "tissue", "classes": "em"}[codec.mask_kind]
    first = SIMULATORS[fitting](0, side)
    if first.mask_kind != codec.mask_kind or (codec.mask_kind == "classes" and first.class_names != codec.class_names):
        raise UserError(
            f"The simulator '{fitting}' draws {', '.join(first.class_names)}.",
            f"Expected {', '.join(codec.class_names)}.",
            "Paint on real masks, warped.",
        )

    def mask(index: int, attempt: int) -> Mask:
        number = seed_of(seed, "simulated", index, attempt)
        labels = SIMULATORS[fitting](number, side).labels
        return Mask(labels, {"kind": "simulated", "name": fitting, "seed": str(number)})

    return mask


def _from_file(codec: Codec, file: str) -> Masks:
    """One label image for all samples; they differ by the noise."""
    from napari_organoid_synth.core.pairs.ome_tiff import read_labels

    if not file:
        raise UserError("No label image is given.", "Expected the path of a file.", "Choose a mask file.")
    labels = read_labels(file)
    if codec.mask_kind == "binary":
        labels = (labels != 0).astype(np.int32)
    highest = int(labels.max(initial=0))
    if codec.mask_kind == "classes" and highest > len(codec.class_names):
        raise UserError(
            f"{file} has the label {highest}.",
            f"Expected 0 to {len(codec.class_names)}: {', '.join(codec.class_names)}.",
            "Use the labels of the training masks.",
        )
    if not highest:
        raise UserError(f"{file} is empty: every pixel is 0.", "Expected objects.", "Choose another mask.")

    def mask(index: int, attempt: int) -> Mask:
        return Mask(labels, {"kind": "file", "name": file})

    return mask
