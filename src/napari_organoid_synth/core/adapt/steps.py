"""The steps of adapting, each a generator of events that skips what is done."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from typing import Any

import numpy as np

from napari_organoid_synth.core.adapt.place import PAIRS, PREDICTED, SOURCE, TEST, UNMATCHED, Place, write_table
from napari_organoid_synth.core.adapt.reading import read_images, read_test, without
from napari_organoid_synth.core.adapt.settings import AdaptSettings
from napari_organoid_synth.core.adapt.sizes import find_ratio, resized
from napari_organoid_synth.core.adapt.sure import Square, cut, keep_sure, predict_with_certainty, squares_of
from napari_organoid_synth.core.adapt.tones import Matching, Polarity, find_polarity
from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.job import Added, Control, Event, Finished, JobFolder, Progress, Warned
from napari_organoid_synth.core.pairs.loading import load_pairs
from napari_organoid_synth.core.pairs.ome_tiff import (
    LABELS_ENDING,
    MAP_ENDINGS,
    read_image,
    read_labels,
    write_labels,
    write_maps,
)
from napari_organoid_synth.core.pairs.pair import SamplePair, Source, content_hash
from napari_organoid_synth.core.pairs.table import PairTable
from napari_organoid_synth.core.project import Project, file_stem
from napari_organoid_synth.core.quantities import plural
from napari_organoid_synth.core.recipe import Recipe
from napari_organoid_synth.core.segmentation.segmenters.curve import Curve
from napari_organoid_synth.core.segmentation.segmenters.trust import refuse_untrusted, trust

SEGMENTER, STATE = "segmenter", "segmenter-training.safetensors"
PAINTER = "painter"
LARGEST_TILE = 128
"""Side, px, of the tiles that a painter learns: larger ones take minutes per hundred steps on a processor."""
AT_ONCE = 4
"""Pairs that are painted between two looks at the control."""


class Steps:
    """The steps for one target.

    Parameters
    ----------
    source : Project
        With annotated images.
    place : Place
        The project of the target.
    settings : AdaptSettings
    control : Control
    """

    def __init__(self, source: Project, place: Place, settings: AdaptSettings, control: Control) -> None:
        self.source, self.place, self.settings, self.control = source, place, settings, control

    # --- match ---

    def match(self) -> Iterator[Event]:
        """Bring the source pairs to the tones and sizes of the target, and write them."""
        if (noted := self.place.read("match")) is None:
            noted = yield from self._match()
        for sentence in noted["sentences"]:
            yield Warned(0, sentence)
        yield Finished(1, "completed", noted)

    def _match(self) -> Generator[Event, None, dict[str, Any]]:
        settings = self.settings
        pairs = load_pairs(self.source, split="train")
        scale = PairTable.from_file(self.source.pairs_path).scale if settings.scale is None else settings.scale
        images = read_images(settings.target, scale, pairs[0])
        channels = len(images[0].image)
        test = read_test(
            Project(self.place.path / "annotated"), settings.test, settings.test_masks, scale, pairs[0], channels
        )
        images, tested = without(images, test)
        if not images:
            raise UserError("All images of the target are test images.", "Expected others to learn from.", "Add some.")
        yield Progress(1, 4, note="comparing tones")
        here, there = [pair.image for pair in pairs], [pair.image for pair in images]
        polarity = find_polarity(here, there)
        inverted = polarity.inverted if settings.tones == "auto" else settings.tones == "inverted"
        ratio = find_ratio(pairs, images, inverted, settings.size_ratio)
        matching = Matching.of(here, there, inverted)
        yield Progress(2, 4, note="matching")
        matched = [
            resized(
                pair.replace(
                    image=matching.apply(pair.image),
                    channel_names=images[0].channel_names,
                    source=Source("real", pair.source.files, {"matched": content_hash(pair.image)}),
                ),
                ratio.value,
            )
            for pair in pairs
        ]
        self.place.write(SOURCE, matched)
        self.place.write(UNMATCHED, self._unmatched(pairs, images[0], ratio.value))
        if test:
            self.place.write(TEST, [pair.replace(source=Source("real", pair.source.files)) for pair in test])
        sentences = [polarity.sentence if settings.tones == "auto" else _told(polarity, inverted), ratio.sentence]
        if tested:
            sentences.append(f"{plural(len(tested), 'image')} of the target left out, to be tested: {_some(tested)}.")
        return self.place.note(
            "match",
            {
                "inverted": inverted,
                "upright": round(polarity.upright, 4),
                "upside_down": round(polarity.upside_down, 4),
                "size_ratio": ratio.value,
                "scale": scale,
                "source": len(matched),
                "images": [pair.name for pair in images],
                "test": [pair.name for pair in test],
                "sentences": sentences,
            },
        )

    def _unmatched(self, pairs: Sequence[SamplePair], like: SamplePair, ratio: float) -> list[SamplePair]:
        """Return the source pairs in the channels, pixel type and sizes of the target, with their own tones."""
        own = Matching.of([pair.image for pair in pairs], [like.image], False)
        range_of = [(float(plane.min()), float(plane.max())) for plane in like.image]
        straight = Matching(
            False,
            np.tile(np.linspace(0, 1, own.before.shape[1]), (len(own.before), 1)),
            np.stack([np.linspace(low, high, own.after.shape[1]) for low, high in range_of]),
            own.dtype,
            own.way,
        )
        return [
            resized(pair.replace(image=straight.apply(pair.image), channel_names=like.channel_names), ratio)
            for pair in pairs
        ]

    # --- predict ---

    def learn(self) -> Iterator[Event]:
        """Train the segmenter on the matched pairs, to its plateau."""
        if (noted := self.place.read("learn")) is None:
            noted = yield from self._learn()
        if noted is not None:
            curve = Curve.model_validate(noted["curve"])
            if curve.watched and not curve.at_plateau:
                yield Warned(curve.taken, f"The segmenter was still rising at {curve.taken:,} steps; raise steps.")
        yield Finished(self.settings.steps, "completed" if noted is not None else "canceled", noted or {})

    def _learn(self) -> Generator[Event, None, dict[str, Any] | None]:
        from napari_organoid_synth.core.registry import SEGMENTERS
        from napari_organoid_synth.core.segmentation.segmenters.base import SegmentSpec
        from napari_organoid_synth.core.segmentation.segmenters.crops import CropPool
        from napari_organoid_synth.core.segmentation.segmenters.held_parts import hold_parts

        settings, pairs = self.settings, self.place.pairs(SOURCE)
        trust(settings.segmenter)
        spec = SegmentSpec(len(pairs[0].image), pairs[0].mask_kind, pairs[0].class_names)
        segmenter = SEGMENTERS.load(settings.segmenter.name)(settings.segmenter, spec, settings.device, settings.seed)
        parts, held = hold_parts(pairs, whole=settings.segmenter.sees_whole)
        pool = CropPool(parts, augment="classical", seed=settings.seed, held=held)
        state = self.place.path / STATE
        yield from segmenter.fit(pool, settings.steps, self.control, state, floor=settings.floor)
        if self.control.canceled:
            return None
        segmenter.save(self.place.path / SEGMENTER)
        noted = self.place.note("learn", {"curve": segmenter.curve.model_dump(mode="json")})
        state.unlink(missing_ok=True)
        return noted

    def predict(self) -> Iterator[Event]:
        """Mark every image of the target, with certainties."""
        from napari_organoid_synth.core.segmentation.segmenters.base import load_segmenter

        names, images = self.place.noted("match")["images"], self._images()
        segmenter = None
        for number, pair in enumerate(images, 1):
            labels_path, map_path = self._predicted(pair.name)
            if not map_path.exists():
                segmenter = segmenter or load_segmenter(self.place.path / SEGMENTER, self.settings.device)
                refuse_untrusted(segmenter.config, "Adapt into another folder, so that the segmenter is trained here.")
                labels, certainty, probability = predict_with_certainty(segmenter, pair)
                marked = pair.replace(labels=labels, source=Source("predicted", pair.source.files))
                write_labels(labels_path, marked)
                write_maps(map_path, marked, np.stack([certainty, probability]), ("certainty", "probability"))
            yield Progress(number, len(names), note=pair.name)
            yield from self.control.wait_while_paused(number)
            if self.control.canceled:
                yield Finished(number, "canceled")
                return
        yield Finished(len(names), "completed", {"images": len(names)})

    def _images(self) -> list[SamplePair]:
        """Read the images of the target without masks, as they were matched with."""
        noted, like = self.place.noted("match"), self.place.pairs(SOURCE)[0]
        wanted = set(noted["images"])
        return [one for one in read_images(self.settings.target, noted["scale"], like) if one.name in wanted]

    def _predicted(self, name: str) -> tuple[Any, Any]:
        folder, stem = self.place.path / PREDICTED, file_stem(name)
        folder.mkdir(exist_ok=True)
        return folder / f"{stem}{LABELS_ENDING}", folder / f"{stem}{MAP_ENDINGS['probability']}"

    # --- keep what is sure ---

    def keep(self) -> Iterator[Event]:
        """Keep the surest squares as pairs of the new project, marked as predicted, beside the test images."""
        if (noted := self.place.read("keep")) is None:
            noted = self._keep()
        for sentence in noted["sentences"]:
            yield Warned(0, sentence)
        yield Added(0, tuple(noted["pairs"]))
        yield Finished(1, "completed", noted)

    def _keep(self) -> dict[str, Any]:
        images = {pair.name: pair for pair in self._images()}
        labels, squares = {}, list[Square]()
        for name in images:
            labels_path, map_path = self._predicted(name)
            labels[name] = read_labels(labels_path)
            (certainty, probability), _ = read_image(map_path)
            squares += squares_of(name, labels[name], certainty, probability, self.settings.size)
        kept = keep_sure(squares, self.settings.keep)
        if not any(not one.empty for one in kept):
            raise UserError(
                f"The segmenter is sure of no object in {plural(len(images), 'image')} of the target.",
                "Expected some squares with objects that it is sure of.",
                "Look into the folder predicted; set tones or size_ratio yourself, or annotate three images.",
            )
        made = {
            "adapted": self._origin(),
            "learned_from": [content_hash(p.image, p.labels) for p in self.place.pairs(SOURCE)],
        }
        pairs = [cut(images[one.image], labels[one.image], one, made) for one in kept]
        test = self.place.pairs(TEST)
        self.place.write(PAIRS, pairs)
        groups = {one.name: one.image for one in kept}
        rows = [self.place.row(PAIRS, pair, group=groups[pair.name]) for pair in pairs]
        rows += [self.place.row(TEST, pair, "test") for pair in test]
        write_table(self.place.project.pairs_path, rows, pairs[0])
        dropped = [name for name in images if name not in {one.image for one in kept}]
        sentences = [f"{len(kept)} of {plural(len(squares), 'square')} are kept, the surest."]
        if dropped:
            sentences.append(f"Nothing is sure enough in {plural(len(dropped), 'image')}, left out: {_some(dropped)}.")
        return self.place.note(
            "keep",
            {"pairs": [pair.name for pair in pairs], "of": len(squares), "dropped": dropped, "sentences": sentences},
        )

    def _origin(self) -> dict[str, Any]:
        """Return what the provenance of every pair says about source and target."""
        noted = self.place.noted("match")
        return {
            "source": self.source.path.name,
            "target": list(self.settings.target),
            "inverted": noted["inverted"],
            "size_ratio": noted["size_ratio"],
        }

    # --- paint ---

    def learn_to_paint(self) -> Iterator[Event]:
        """Train a painter on the kept squares."""
        from napari_organoid_synth.core.runs.run import Run
        from napari_organoid_synth.core.training.train import train

        project, recipe = self.place.project, self.recipe
        job = JobFolder(project.path / "runs" / PAINTER)
        begun = (job.path / "recipe.yaml").exists() and bool(Run(job.path).steps())
        if self.place.read("paint") is not None or (begun and Run(job.path).is_complete(recipe)):
            yield Finished(recipe.train.steps, "completed", {"run": PAINTER})
            return
        job.begin("train", ["adapt"])
        yield from job.record(train(project, recipe, self.control, folder=job.path, resume=begun))

    @property
    def recipe(self) -> Recipe:
        """Recipe of the painter."""
        settings, squares = self.settings, self.place.pairs(PAIRS)
        side = min(LARGEST_TILE, *(min(pair.size) for pair in squares))
        tile = max(32, 2 ** int(np.log2(side)))
        train = {"seed": settings.seed, "device": settings.device, "threads": settings.threads}
        if settings.painter_steps:
            train |= {"steps": settings.painter_steps}
        return Recipe.parse(
            {"gan": settings.painter.model_dump(), "tiles": {"size": tile, "min_objects": 0}, "train": train}
        )

    def paint(self) -> Iterator[Event]:
        """Paint outlines of the source at the sizes of the target, and add the pairs to the samples."""
        if (noted := self.place.read("paint")) is None:
            noted = yield from self._paint()
        yield Finished(self.settings.number, "completed" if noted is not None else "canceled", noted or {})

    def _paint(self) -> Generator[Event, None, dict[str, Any] | None]:
        from napari_organoid_synth.core.runs.run import Run
        from napari_organoid_synth.core.samples.store import SampleStore
        from napari_organoid_synth.core.synthesis.mask_sources import masks_of
        from napari_organoid_synth.core.synthesis.sampler import Sampler
        from napari_organoid_synth.core.synthesis.settings import GenerateSettings
        from napari_organoid_synth.core.synthesis.trained_generator import TrainedGenerator

        settings, project, outlines = self.settings, self.place.project, self.place.pairs(SOURCE)
        wanted = GenerateSettings(
            run=PAINTER, number=settings.number, seed=settings.seed, masks=settings.masks, size=settings.size,
            device=settings.device,
        )  # fmt: skip
        model = TrainedGenerator.from_run(Run(project.path / "runs" / PAINTER), device=settings.device)
        sampler = Sampler(model, wanted, masks_of(model, outlines, wanted))
        origin = self._origin()
        with SampleStore(project.samples_path) as store:
            present, ids = {row.name: row.id for row in store.rows()}, list[str]()
            for start in range(0, settings.number, AT_ONCE):
                indices = range(start, min(start + AT_ONCE, settings.number))
                painted = [_adapted(pair, origin) for pair in sampler.keep(sampler.draw(indices))]
                new = [pair for pair in painted if pair.name not in present]
                added = store.add_many(new, run=PAINTER)
                ids += [present[pair.name] for pair in painted if pair.name in present] + added
                yield Added(indices.stop, tuple(added))
                sampler.check()
                yield Progress(indices.stop, settings.number)
                yield from self.control.wait_while_paused(indices.stop)
                if self.control.canceled:
                    return None
        return self.place.note("paint", {"added": len(ids), "samples": ids})


def _adapted(pair: SamplePair, origin: dict[str, Any]) -> SamplePair:
    """Return a painted pair whose name and provenance say that it was adapted."""
    provenance = {"kind": "adapted", **pair.source.provenance, "adapted": origin}
    return pair.replace(name=f"adapted-{pair.name}", source=Source("synthetic", provenance=provenance))


def _told(polarity: Polarity, inverted: bool) -> str:
    """Return the sentence about tones that a person chose."""
    text = f"Tones are {'inverted' if inverted else 'left as they are'}, as you set it."
    return (
        text if polarity.inverted == inverted else f"{text} They look {'inverted' if polarity.inverted else 'upright'}."
    )


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:3]) + (", …" if len(names) > 3 else "")
