"""Synthetic pairs from a trained generator: the pair of any index, with its provenance.

A pair depends on the model, the settings and its index alone: more pairs later, or another batch, give the same first
pairs. No project is needed::

    model = TrainedGenerator.open("organoids.synth")
    pairs = Sampler(model, GenerateSettings(seed=1)).draw(range(6))
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_organoid_synth.core.device import random_stream
from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.generators.canvas import MixedStream, Stream
from napari_organoid_synth.core.generators.painted import Painted
from napari_organoid_synth.core.pairs.loading import load_pairs
from napari_organoid_synth.core.pairs.pair import SamplePair, Source, content_hash
from napari_organoid_synth.core.pairs.pair_format import FormatOf
from napari_organoid_synth.core.pairs.tiling import MIN_OBJECTS
from napari_organoid_synth.core.project import Project
from napari_organoid_synth.core.quantities import capital, plural
from napari_organoid_synth.core.runs.run import Run
from napari_organoid_synth.core.samples.store import SampleStore
from napari_organoid_synth.core.seeds import seed_of
from napari_organoid_synth.core.simulators.illumination import add_background
from napari_organoid_synth.core.synthesis.mask_sources import (
    Mask,
    MaskSource,
    checked_labels,
    project_masks,
    refuse_size,
)
from napari_organoid_synth.core.synthesis.own_images import is_new_layout, pairs_with_mask
from napari_organoid_synth.core.synthesis.provenance import UNLIKE, BackgroundRecord, PaintedRecord, Provenance
from napari_organoid_synth.core.synthesis.settings import GenerateSettings
from napari_organoid_synth.core.synthesis.trained_generator import TrainedGenerator

MAX_ATTEMPTS = 20  # masks for one sample before it is given up


class NoUsableMask(UserError):
    """No mask that was drawn or chosen can be painted on: all are empty, too full, or have too few objects."""


class Sampler:
    """A trained generator, its masks and its settings.

    Parameters
    ----------
    model : TrainedGenerator
        Draws images, with masks or without, or paints.
    settings : GenerateSettings
        Seed, variety, image class and background.
    masks : MaskSource, optional
        Masks that a painter paints on; `paint` needs none.
    around : tuple of (int, int, int), optional
        Seed, index and attempt of a sample of the same model: noise is drawn at a distance from its own.
    real : mapping of str to str, optional
        Hash of image and labels of the real pairs that the masks are made from, by name. A painter without training
        may know the same images under other names.

    Attributes
    ----------
    drawn, refused, missing, left_out : int
        Masks so far, those that were not usable, samples without any, and objects that found no place in the masks.
    unlike : int
        Pairs so far with an object that is unlike any in the real images.
    own : int
        Masks so far that a painter without training had only their own images to paint from; they are not used.
    blank : int
        Images so far in which every pixel had the same value; `keep` leaves them out.

    Raises
    ------
    UserError
        If the model draws masks alone, draws from noise and has another size than the settings ask for, or knows no
        steps or guidance that these choose.
    """

    def __init__(
        self,
        model: TrainedGenerator,
        settings: GenerateSettings,
        masks: MaskSource | None = None,
        real: Mapping[str, str] | None = None,
        around: tuple[int, int, int] | None = None,
    ) -> None:
        if model.shape == "mask":
            raise UserError(
                f"{capital(model.title)} draws masks without images.",
                "Expected a run that draws or paints images.",
                f"Choose a painter and paint on its masks: masks=generated, mask_run={model.name}.",
            )
        if model.shape != "painter":
            refuse_size(model, settings.size)
        model.network.steer(settings.sampling_steps, settings.guidance)
        self.model, self.settings, self.masks = model, settings, masks
        self.real, self.around = real or {}, around
        self._given: dict[str, frozenset[str]] = {}
        self.drawn = self.refused = self.missing = self.added = self.left_out = self.blank = self.own = self.unlike = 0

    @classmethod
    def from_run(cls, project: Project, run: Run, settings: GenerateSettings) -> Sampler:
        """Open the checkpoint and the masks that the settings name.

        Raises
        ------
        Misfit
            If the run draws other channels, pixels, masks or classes than the real pairs of the project have.
        """
        if (real := FormatOf(project.pairs_path).get()) is not None:
            todo = "Use it in a project of such pairs, or train a generator on the pairs of this one."
            real.refuse(run.codec.format(run.recipe.shape), f"The generator of {run.title}", todo)
        model = TrainedGenerator.from_run(run, settings.checkpoint, settings.device)
        masks = project_masks(project, model, settings) if model.shape == "painter" else None
        hashes: dict[str, str] = {}
        if model.untrained is not None and project.pairs_path.exists():
            hashes = {pair.name: content_hash(pair.image, pair.labels) for pair in load_pairs(project, split="train")}
        return cls(model, settings, masks, hashes, _place_of(project, run, settings.near))

    @property
    def refused_share(self) -> float:
        """Share of masks that were empty, too full or had too few objects."""
        return self.refused / max(self.drawn, 1)

    def check(self) -> None:
        """Raise `UserError` when nothing usable has come out so far."""
        if self.blank and not self.added:
            raise self._only_blank()
        if self.own and self.missing and not self.added:
            raise self._only_own()
        if self.missing and not self.added:
            what = "masks to paint on" if self.masks else "masks that the generator draws"
            tiles, kind = self.model.recipe.tiles, self.model.codec.mask_kind
            nouns = ("class", "classes") if kind == "classes" else ("object", "objects")
            fewest = plural(max(self._fewest, 1), *nouns)
            full = f" and at most {tiles.max_cover:.0%} covered" * (kind == "binary")
            raise NoUsableMask(
                f"None of {self.drawn} {what} is usable: empty, too full, or too few objects.",
                f"Expected at least {fewest}{full}.",
                "Choose other masks." if self.masks else "Train longer, or with more pairs.",
            )

    def keep(self, pairs: Sequence[SamplePair]) -> list[SamplePair]:
        """Return the samples without those whose pixels all have the same value, and count these as left out."""
        kept = [pair for pair in pairs if pair.image.min() != pair.image.max()]
        self.blank += len(pairs) - len(kept)
        self.added -= len(pairs) - len(kept)
        return kept

    def _only_blank(self) -> UserError:
        return UserError(
            f"{capital(self.model.title)} draws images in which every pixel has the same value "
            f"(checkpoint {self.model.step}).",
            "Expected images with structure.",
            "Choose another checkpoint, or train the generator again.",
        )

    def _only_own(self) -> UserError:
        assert self.model.untrained is not None
        images = plural(len(self.model.untrained.usable(())), "image")
        return UserError(
            f"{capital(self.model.title)} paints with {images}, and the masks are those of the same images.",
            "Expected new masks, or other images: painted with its own image, a mask gives back that image.",
            "Choose arranged, moved or fitted masks, warp real ones by 1 or more, or add another annotated image.",
        )

    def draw(self, indices: Sequence[int]) -> list[SamplePair]:
        """Return the samples of these indices; one without a usable mask is left out.

        Raises
        ------
        UserError
            If a painter has no masks, or there is no such image class.
        """
        if self.model.shape == "painter" and self.masks is None:
            raise UserError(
                f"{capital(self.model.title)} paints images onto masks.",
                "Expected masks.",
                "Give a source of masks, or paint.",
            )
        draw = self._paint_source if self.masks else self._draw_from_noise
        pairs = [pair for group in self._groups(indices) for pair in draw(group)]
        self.added += len(pairs)
        self.missing += len(indices) - len(pairs)
        return pairs

    def paint(self, masks: Sequence[NDArray[np.integer[Any]]]) -> list[SamplePair]:
        """Return a pair for each of these masks (Y, X), which may have any size.

        Raises
        ------
        UserError
            If the model is not a painter, or a mask is empty or has a class that the training masks lack.
        """
        if self.model.shape != "painter":
            raise UserError(
                f"{capital(self.model.title)} is a {self.model.generator}, which draws from noise.",
                "Expected a painter, such as flow.",
                "Draw from it, or choose another model.",
            )
        checked = [
            Mask(checked_labels(labels, self.model.codec, f"Mask {number}"), {"kind": "given"})
            for number, labels in enumerate(masks)
        ]
        barred = [(index, mask, self._barred(index, mask)) for index, mask in enumerate(checked)]
        chosen = [(index, 0, mask, names) for index, mask, names in barred if names is not None]
        if len(chosen) < len(checked):
            raise self._only_own()
        groups = self._groups(range(len(checked)))
        pairs = [pair for group in groups for pair in self._paint([chosen[index] for index in group])]
        if len(self.keep(pairs)) < len(pairs):
            raise self._only_blank()
        return pairs

    def _groups(self, indices: Sequence[int]) -> list[Sequence[int]]:
        """Split indices: networks on a processor one by one, little slower and with the same bits in any batch."""
        alone = self.model.device.type == "cpu" and self.model.untrained is None
        size = 1 if alone else self.settings.batch
        return [indices[start : start + size] for start in range(0, len(indices), size)]

    def _draw_from_noise(self, indices: Sequence[int]) -> list[SamplePair]:
        pairs: dict[int, SamplePair] = {}
        for attempt in range(MAX_ATTEMPTS):
            pending = [index for index in indices if index not in pairs]
            if not pending:
                break
            streams = [self._stream(index, attempt) for index in pending]
            samples = self.model.draw(streams, self._classes(pending), self.settings.variety)
            for index, (image, labels) in zip(pending, samples, strict=True):
                assert image is not None
                if labels is None:  # images only
                    labels = np.zeros(image.shape[-2:], np.int32)
                elif not self._usable(labels):
                    continue
                pairs[index] = self._pair(index, attempt, image, Mask(labels))
        return [pairs[index] for index in sorted(pairs)]

    def _paint_source(self, indices: Sequence[int]) -> list[SamplePair]:
        assert self.masks is not None
        masks: list[tuple[int, int, Mask, frozenset[str]]] = []
        for index in indices:
            for attempt in range(MAX_ATTEMPTS):
                mask = self.masks(index, attempt)
                if not self._usable(mask.labels):
                    continue
                barred = self._barred(index, mask)
                if barred is None:
                    self.own += 1
                    continue
                masks.append((index, attempt, mask, barred))
                self.left_out += mask.left_out
                break
        return self._paint(masks)

    def _barred(self, index: int, mask: Mask) -> frozenset[str] | None:
        """Return the images that a painter without training may not use for a mask; None where none would remain."""
        painter = self.model.untrained
        if painter is None:
            return frozenset()
        own = frozenset(mask.layout_of)
        if mask.origin.get("kind") in {"file", "given"}:
            digest = content_hash(mask.labels)
            if digest not in self._given:
                self._given[digest] = pairs_with_mask(mask.labels, painter.pairs)
            own = self._given[digest]
        digests = {self.real[name] for name in own if name in self.real}
        image_class = self._class_index(index) if self.model.codec.image_classes else None
        usable = painter.usable(own, digests, image_class)
        if not usable and is_new_layout(mask.origin):
            usable = painter.usable((), (), image_class)
        return frozenset(painter.usable(()) - usable) if usable else None

    def _paint(self, chosen: list[tuple[int, int, Mask, frozenset[str]]]) -> list[SamplePair]:
        """Paint the masks of (index, attempt), each without the images that are barred."""
        streams = [self._stream(index, attempt) for index, attempt, *_ in chosen]
        classes = self._classes([index for index, *_ in chosen])
        masks, barred = [mask.labels for _, _, mask, _ in chosen], [barred for *_, barred in chosen]
        painted = self.model.paint(masks, streams, classes, self.settings.variety, barred)
        self.unlike += sum(max(one.residual.values(), default=0.0) >= UNLIKE for one in painted)
        return [
            self._pair(index, attempt, one.image, mask, _record(one))
            for (index, attempt, mask, _), one in zip(chosen, painted, strict=True)
        ]

    def _classes(self, indices: Sequence[int]) -> list[int]:
        return [self._class_index(index) for index in indices]

    def _class_index(self, index: int) -> int:
        """Return the image class of a sample: the one asked for, or each in turn."""
        classes, image_class = self.model.codec.image_classes, self.settings.image_class
        if not image_class:
            return index % max(len(self.model.codec.graded), 1)
        if not self.model.network.class_conditional:
            raise UserError(
                f"{self.model.generator} draws all image classes mixed; '{image_class}' cannot be asked for.",
                "Expected a generator that learns classes.",
                "Leave the class empty, or choose analogy, cgan, progan, stylegan or stylegan2_ada.",
            )
        if image_class not in classes:
            raise UserError(
                f"There is no image class '{image_class}'.",
                f"{capital(self.model.title)} knows {', '.join(classes) or 'none'}.",
                "Choose one of these, or leave the class empty.",
            )
        return classes.index(image_class)

    def _stream(self, index: int, attempt: int) -> Stream:
        own = random_stream(self.model.device, *self._seed(index, attempt))
        if self.around is None or self.model.untrained is not None:  # pieces are copied: there is nothing between
            return own
        seed, other, tried = self.around
        start = random_stream(self.model.device, seed, "sample", other, tried)
        return MixedStream.between(start, own, self.settings.distance)

    def _seed(self, index: int, attempt: int) -> tuple[int | str, ...]:
        return self.settings.seed, "sample", index, attempt

    @property
    def _fewest(self) -> int:
        """Least number of objects of a tile."""
        fewest = self.model.recipe.tiles.min_objects
        return MIN_OBJECTS[self.model.codec.mask_kind] if fewest is None else fewest

    def _usable(self, labels: NDArray[np.int32]) -> bool:
        """Count a mask; whether it is neither empty nor too full and has the objects that tiles need.

        A mask that a person gave is painted as it is; an empty one was refused before.
        """
        if self.masks is not None and self.settings.masks == "file":
            self.drawn += 1
            return True
        tiles, kind = self.model.recipe.tiles, self.model.codec.mask_kind
        objects = np.count_nonzero(np.unique(labels))
        cover = np.count_nonzero(labels) / labels.size
        usable = objects >= max(self._fewest, 1) and (
            kind != "binary" or self.model.codec.filled or cover <= tiles.max_cover
        )
        self.drawn += 1
        self.refused += not usable
        return bool(usable)

    def _pair(
        self, index: int, attempt: int, image: NDArray[Any], mask: Mask, painted: PaintedRecord | None = None
    ) -> SamplePair:
        model, settings, codec = self.model, self.settings, self.model.codec
        has_class = bool(codec.image_classes) and model.network.class_conditional
        background = None
        if settings.background:
            number = seed_of(settings.seed, "background", index)
            image = add_background(image, np.random.default_rng(number), settings.background)
            background = BackgroundRecord(strength=settings.background, seed=str(number))
        provenance = Provenance(
            run=model.name,
            generator=model.generator,
            model_sha256=model.sha256,
            checkpoint=model.step,
            seed=settings.seed,
            index=index,
            attempt=attempt,
            latent_seed=str(seed_of(*self._seed(index, attempt))),
            mask={**mask.origin, "digest": content_hash(mask.labels)},
            data=model.data,
            settings=settings.model_dump(mode="json"),
            background=background,
            painted=painted,
        )
        return SamplePair(
            name=f"{model.generator}-{model.name.removesuffix('-train')}-s{settings.seed}-{index:05d}",
            image=image,
            labels=mask.labels,
            mask_kind=codec.mask_kind,
            class_names=codec.class_names,
            pixel_size=codec.pixel_size,
            channel_names=codec.channel_names,
            image_class=codec.image_classes[self._class_index(index)] if has_class else None,
            source=Source("synthetic", provenance=provenance.as_dict()),
        )


def _place_of(project: Project, run: Run, id: str) -> tuple[int, int, int] | None:
    """Return seed, index and attempt of a sample of a run; None where none is named."""
    if not id:
        return None
    with SampleStore(project.samples_path) as store:
        record = store.pair(id).source.provenance
    if record.get("run") != run.name or "index" not in record:
        raise UserError(
            f"'{id}' was not drawn by {run.title}.",
            "Expected a sample of the same run.",
            "Choose the run of it.",
        )
    if near := dict(record.get("settings", {})).get("near"):
        raise UserError(
            f"'{id}' was itself made like another pair, '{near}'.",
            "Expected a pair with noise of its own.",
            f"Make more like '{near}'.",
        )
    return int(record["seed"]), int(record["index"]), int(record.get("try", 0))


def _record(painted: Painted) -> PaintedRecord | None:
    """Return where the pieces of an image come from; None where a network drew it."""
    if painted.seed is None:
        return None
    return PaintedRecord(
        seed=str(painted.seed),
        sources={name: round(share, 4) for name, share in painted.sources.items()},
        largest_piece=painted.largest_piece,
        worst=round(max(painted.residual.values(), default=0.0), 3),
        residual={str(label): round(value, 3) for label, value in painted.residual.items()},
    )
