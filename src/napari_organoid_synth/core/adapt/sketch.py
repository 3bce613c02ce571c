"""Pairs from images alone: objects drawn by rule, painted in the look of the images, with a check of their tones."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from typing import Any

import numpy as np

from napari_organoid_synth.core.adapt.place import SETTINGS, TEST, Place, write_table
from napari_organoid_synth.core.adapt.reading import read_images, read_test, without
from napari_organoid_synth.core.adapt.sketch_settings import SketchSettings
from napari_organoid_synth.core.adapt.sketches import ALIKE, draw_objects, objects_are_bright, share_on_side
from napari_organoid_synth.core.device import use_threads
from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.job import Added, Control, Event, Finished, JobFolder, Progress, Started, Warned
from napari_organoid_synth.core.pairs.ome_tiff import write_pair
from napari_organoid_synth.core.pairs.pair import SamplePair, Source, content_hash
from napari_organoid_synth.core.pairs.table import PairEntry, PairTable
from napari_organoid_synth.core.project import Project
from napari_organoid_synth.core.recipe import Recipe
from napari_organoid_synth.core.seeds import seed_of
from napari_organoid_synth.core.synthesis.stages import TOTAL, Stage, run_stages

FOLDER = "sketched"
IMAGES, PAINTING = "images", "painting"
"""Folders: the images, and the project in which the painter learns."""
SEEDS = 2
"""Trainings of a painter before swapped tones are an error."""
LARGEST_TILE = 128
AT_ONCE = 4
CHECKED = 8
"""Pairs whose tones are looked at before the others are painted."""


def sketch(project: Project, settings: SketchSettings, control: Control) -> Iterator[Event]:
    """Draw objects by rule and paint them in the look of the images.

    Parameters
    ----------
    project : Project
        Gets the pairs as samples; its images are learned from where the settings name none.
    settings : SketchSettings
        Images, objects, painter.
    control : Control
        As in `adapt`.

    Yields
    ------
    Event
        One Started; Progress; Warned; Added; Finished with ``folder``, ``objects`` (bright or dark), ``on_side`` (share
        of painted pairs with objects on that side of the background), ``tries`` (trainings of the painter), ``pairs``,
        ``samples``, ``measured``.

    Raises
    ------
    UserError
        If there is no image, or the painter swaps tones with every seed.
    """
    use_threads(settings.threads)
    place = _place(project, settings)
    steps = _Steps(project, place, settings, control)
    measured = 0.4 if settings.test else 0.0
    stages = [
        Stage("look at the images", 0.02 * (1 - measured), steps.look),
        Stage("learn to paint", 0.83 * (1 - measured), steps.learn_to_paint),
        Stage("paint pairs", 0.15 * (1 - measured), steps.paint),
    ]
    if settings.test:
        from napari_organoid_synth.core.adapt.measure import measure_sketches

        stages.append(Stage("measure", measured, lambda: measure_sketches(project, place, settings, control)))
    yield Started(0, {"folder": str(place.path), "total": TOTAL, "stages": [stage.title for stage in stages]})
    outcome = yield from run_stages(stages, control)
    result: dict[str, Any] = {"folder": str(place.path), "stages": list(outcome.results), "seconds": outcome.seconds}
    if not outcome.canceled:
        painted = outcome.results["paint pairs"]
        result |= {
            "objects": "bright" if outcome.results["look at the images"]["bright"] else "dark",
            **{name: painted[name] for name in ("on_side", "tries", "pairs", "samples")},
            "measured": outcome.results.get("measure"),
        }
    yield Finished(outcome.step, "canceled" if outcome.canceled else "completed", result)


def _place(project: Project, settings: SketchSettings) -> Place:
    """Return the folder that was begun with the same settings, else a new one."""
    number = 1
    while True:
        path = project.path / FOLDER / str(number)
        if not (path / SETTINGS).exists():
            settings.to_file(path / SETTINGS)
            return Place(Project(path))
        before = SketchSettings.from_file(path / SETTINGS)
        if before.model_dump(exclude={"device", "threads"}) == settings.model_dump(exclude={"device", "threads"}):
            return Place(Project(path))
        number += 1


class _Steps:
    """The steps; each skips what is done."""

    def __init__(self, project: Project, place: Place, settings: SketchSettings, control: Control) -> None:
        self.project, self.place, self.settings, self.control = project, place, settings, control

    def look(self) -> Iterator[Event]:
        """Read the images, and find on which side of the background objects lie."""
        noted = self.place.read("look") or self._look()
        side = "brighter" if noted["bright"] else "darker"
        yield Warned(0, f"Objects are taken to be {side} than what is around them.")
        yield Finished(1, "completed", noted)

    def _look(self) -> dict[str, Any]:
        settings = self.settings
        images = read_images(settings.images or self._own(), settings.scale, self._empty)
        annotated = Project(self.place.path / "annotated")
        channels = len(images[0].image)
        test = read_test(annotated, settings.test, settings.test_masks, settings.scale, self._empty, channels)
        images, _ = without(images, test)
        if not images:
            raise UserError("All images are test images.", "Expected others to learn from.", "Add some.")
        if test:
            self.place.write(TEST, [pair.replace(source=Source("real", pair.source.files)) for pair in test])
        files = [write_pair(self.place.path / IMAGES, pair) for pair in images]
        for _, labels in files:
            labels.unlink()  # they are empty, not drawn
        radius = float(np.mean(settings.objects.radius))
        bright = objects_are_bright([pair.image for pair in images], radius)
        if settings.tones != "auto":
            bright = settings.tones == "bright"
        rows = [PairEntry(name=pair.name, image=str(image)) for pair, (image, _) in zip(images, files, strict=True)]
        write_table(self.place.project.pairs_path, rows)
        if not self.project.pairs_path.exists():
            write_table(self.project.pairs_path, rows)
        return self.place.note("look", {"bright": bright, "images": [pair.name for pair in images]})

    def _own(self) -> tuple[str, ...]:
        """Return the files of the images of the project."""
        rows = PairTable.from_file(self.project.pairs_path).train
        return tuple(dict.fromkeys(entry.image for entry in rows))

    def learn_to_paint(self) -> Iterator[Event]:
        """Train the painter; where it swaps tones, again with another seed."""
        for number in range(SEEDS):
            noted = self.place.read(f"painter-{number}")
            if noted is None:
                events = self._train(number)
                for event in events:
                    if isinstance(event, Finished):
                        if event.reason == "canceled":
                            yield event
                            return
                        continue
                    yield event
                tried = [self._painted(number, index) for index in range(min(CHECKED, self.settings.number))]
                share = share_on_side(tried, self._bright)
                noted = self.place.note(f"painter-{number}", {"on_side": share})
            if noted["on_side"] >= ALIKE:
                yield Finished(1, "completed", {"tries": number + 1})
                return
            yield Warned(
                0, f"The painter swaps tones: only in {noted['on_side']:.0%} of its pairs objects are as in yours."
            )
        raise UserError(
            f"The painter swapped dark and bright with {SEEDS} seeds.",
            f"Expected objects that are {'brighter' if self._bright else 'darker'} than what is around them.",
            "Set tones if that is wrong, train it longer, or choose flow_joint.",
        )

    @property
    def _bright(self) -> bool:
        return bool(self.place.noted("look")["bright"])

    def _train(self, number: int) -> Iterator[Event]:
        from napari_organoid_synth.core.runs.run import Run
        from napari_organoid_synth.core.training.train import train

        project, recipe = self._school(number), self._recipe(number)
        job = JobFolder(project.path / "runs" / f"painter-{number}")
        begun = (job.path / "recipe.yaml").exists() and bool(Run(job.path).steps())
        if begun and Run(job.path).is_complete(recipe):
            yield Finished(recipe.train.steps)
            return
        job.begin("train", ["sketch"])
        yield from job.record(train(project, recipe, self.control, folder=job.path, resume=begun))

    def _school(self, number: int) -> Project:
        """Return the project in which the painter learns: images alone, for cyclegan beside masks of no image."""
        if self.settings.painter.name != "cyclegan":
            return self.place.project
        project = Project(self.place.path / PAINTING)
        if not project.pairs_path.exists():
            table, rows = PairTable.from_file(self.place.project.pairs_path), list[PairEntry]()
            for index, entry in enumerate(table.matched):
                (image,) = read_images((entry.image,), 1.0, self._empty)
                side = max(image.size)
                drawn = draw_objects(self.settings.objects, side, seed_of(self.settings.seed, "unpaired", index))
                labels = np.ascontiguousarray(drawn[: image.size[0], : image.size[1]])
                pair = image.replace(name=entry.name, labels=labels, source=Source("simulated"))
                files = write_pair(project.path / "pairs", pair)
                rows.append(PairEntry(name=pair.name, image=str(files[0]), masks={"object": str(files[1])}))
            write_table(project.pairs_path, rows, self._empty)
        return project

    @property
    def _empty(self) -> SamplePair:
        kind = self.settings.objects.mask_kind
        return SamplePair("", np.zeros((1, 1, 1), np.uint8), np.zeros((1, 1), np.int32), kind, ("object",))

    def _recipe(self, number: int) -> Recipe:
        settings = self.settings
        images = PairTable.from_file(self.place.project.pairs_path).matched
        side = min(LARGEST_TILE, *(min(entry.shape[1:]) for entry in images if entry.shape), settings.size)
        tile = max(64, 2 ** int(np.log2(side)))
        train = {"seed": settings.seed + number, "device": settings.device, "threads": settings.threads}
        if settings.painter_steps:
            train |= {"steps": settings.painter_steps}
        draws = "pairs" if settings.painter.name == "cyclegan" else "images"
        values = {
            "gan": settings.painter.model_dump(),
            "draws": draws,
            "tiles": {"size": tile, "min_objects": 0},
            "train": train,
        }
        return Recipe.parse(values)

    def _painted(self, number: int, index: int) -> SamplePair:
        """Return the pair of an index, painted by the painter of a seed."""
        from napari_organoid_synth.core.device import random_stream

        settings, model = self.settings, self._model(number)
        labels = draw_objects(settings.objects, settings.size, seed_of(settings.seed, "mask", index))
        if settings.painter.name == "cyclegan":
            (painted,) = model.paint([labels], [random_stream(model.device, settings.seed, "sample", index)], [0])
            image = painted.image
        else:
            image = model.sketch(labels, self._tones, seed_of(settings.seed, "sample", index), settings.time)
        provenance = {
            "kind": "sketched",
            "run": f"painter-{number}",
            "generator": settings.painter.name,
            "model_sha256": model.sha256,
            "index": index,
            "mask": {
                "kind": "drawn by rule",
                "objects": settings.objects.model_dump(mode="json"),
                "digest": content_hash(labels),
            },
            "data": model.data,
            "time": settings.time,
        }
        return SamplePair(
            f"sketched-{self.place.path.name}-{index:05d}", image, labels, settings.objects.mask_kind, ("object",),
            model.codec.pixel_size, model.codec.channel_names, source=Source("synthetic", provenance=provenance),
        )  # fmt: skip

    def _model(self, number: int) -> Any:
        from napari_organoid_synth.core.runs.run import Run
        from napari_organoid_synth.core.synthesis.tones import Tones
        from napari_organoid_synth.core.synthesis.trained_generator import TrainedGenerator

        if getattr(self, "_loaded", (None, None))[0] != number:
            run = Run(self._school(number).path / "runs" / f"painter-{number}")
            model = TrainedGenerator.from_run(run, device=self.settings.device)
            self._loaded = number, model
            table = PairTable.from_file(self.place.project.pairs_path)
            images = read_images([entry.image for entry in table.matched], 1.0, self._empty)
            if self.settings.painter.name != "cyclegan":
                self._tones = Tones.guess([one.image for one in images], model.codec, self._bright)
        return self._loaded[1]

    def paint(self) -> Iterator[Event]:
        """Paint all pairs and add them to the samples of the project."""
        if (noted := self.place.read("paint")) is None:
            noted = yield from self._paint()
        yield Finished(1, "completed" if noted is not None else "canceled", noted or {})

    def _paint(self) -> Generator[Event, None, dict[str, Any] | None]:
        from napari_organoid_synth.core.samples.store import SampleStore

        number = next(n for n in range(SEEDS) if (self.place.read(f"painter-{n}") or {}).get("on_side", 0) >= ALIKE)
        on_side, ids = [], list[str]()
        with SampleStore(self.project.samples_path) as store:
            present = {row.name: row.id for row in store.rows()}
            for start in range(0, self.settings.number, AT_ONCE):
                indices = range(start, min(start + AT_ONCE, self.settings.number))
                painted = [self._painted(number, index) for index in indices]
                on_side += [share_on_side([pair], self._bright) for pair in painted]
                new = [pair for pair in painted if pair.name not in present]
                added = store.add_many(new, run=f"painter-{number}")
                ids += [present[pair.name] for pair in painted if pair.name in present] + added
                yield Added(indices.stop, tuple(added))
                yield Progress(indices.stop, self.settings.number)
                yield from self.control.wait_while_paused(indices.stop)
                if self.control.canceled:
                    return None
        return self.place.note(
            "paint",
            {"pairs": len(ids), "samples": ids, "tries": number + 1, "on_side": round(float(np.mean(on_side)), 3)},
        )
