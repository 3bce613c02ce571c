"""Make the tasks of each place in the grid of seeds, folds and shares: those that make pairs, then the arms."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from napari_organoid_synth.core.gain.folds import Fold, subset
from napari_organoid_synth.core.gain.scored_classes import ScoredClasses
from napari_organoid_synth.core.gain.settings import GainSettings
from napari_organoid_synth.core.gain.stored_pairs import StoredPairs
from napari_organoid_synth.core.gain.tasks import (
    ArmTask,
    CurateTask,
    GeneratorTask,
    Hashes,
    MasksTask,
    PastedTask,
    SimulatorTask,
    StoredPair,
    Task,
)
from napari_organoid_synth.core.pairs.pair import SamplePair
from napari_organoid_synth.core.project import Project
from napari_organoid_synth.core.recipe import Recipe
from napari_organoid_synth.core.segmentation.arms import data_of, has_ratio, needs_generator, title_of, trained_arms

MADE_SIZE = 64, 4096
"""Smallest and largest side of simulated and pasted images, px."""
CROPS_ACROSS = 2
"""Side of a made image in crops, so that its crops differ."""
LARGEST_PAINTED = 1024
"""Largest side of a generated pair, px."""
LEARNED_SHARE = 0.85
"""Share of the longer side of an image that is not held back."""
Generators = Mapping[str, Mapping[str, Recipe]]
"""Name of each generator, empty where there is one, to its recipes: ``generator``, maybe after ``masks``."""


@dataclass(frozen=True)
class Place:
    """Place of a task in the grid of seeds, folds and shares."""

    fold: int
    seed: int
    subset: float
    train: tuple[str, ...]
    test: tuple[str, ...]
    parts: tuple[str, ...]
    """Parts of a title, where there are several folds, repeats, shares."""

    def title(self, what: str, *more: str) -> str:
        """Return a title such as ``"real and synthetic pairs, fold 2, ratio 3"``."""
        return ", ".join([what, *self.parts, *filter(None, more)])


def places(settings: GainSettings, folds: Sequence[Fold]) -> Iterator[Place]:
    """Yield every seed, fold and share of the training images."""
    shares = list(dict.fromkeys(settings.subsets))
    for repeat in range(settings.repeats):
        for number, fold in enumerate(folds):
            for share in shares:
                train = subset(fold.train, share, settings.seed + repeat)
                parts = [f"fold {number + 1}"] * (len(folds) > 1)
                parts += [f"repeat {repeat + 1}"] * (settings.repeats > 1)
                parts += [f"{len(train)} images"] * (len(shares) > 1)
                yield Place(number, settings.seed + repeat, share, train, fold.test, tuple(parts))


@dataclass(frozen=True)
class _Source:
    """Where an arm takes its pairs from."""

    generator: str = ""
    pairs: str = ""
    """Key of the task that makes them."""
    curation: str = ""
    """Key of the task that chooses among them."""
    stored: tuple[StoredPair, ...] = ()


class TaskMaker:
    """Maker of the tasks of one place after the other.

    Parameters
    ----------
    project : Project
    settings : GainSettings
    generators : mapping
        Recipes of the generators that each fold trains.
    hashes : mapping of str to str
        All pairs.
    example : SamplePair
        One of them.
    aside : sequence of str
        Pairs that no fold holds.
    scored : ScoredClasses
        Classes that are scored in each image.
    """

    def __init__(
        self,
        project: Project,
        settings: GainSettings,
        generators: Generators,
        hashes: Hashes,
        example: SamplePair,
        aside: Sequence[str],
        scored: ScoredClasses,
    ) -> None:
        self.settings, self.generators, self.hashes, self.example = settings, generators, hashes, example
        self.aside, self.scored = aside, scored
        self.store = StoredPairs(project)
        self.where: dict[str, Any] = {
            "project": str(project.path),
            "device": settings.device,
            "threads": settings.threads,
        }
        self.arms = trained_arms(settings.arms)
        self._places, self._without_accepted = 0, 0
        self._warnings: list[str] = []

    def tasks(self, place: Place) -> list[Task]:
        """Return all tasks of a place, those first that others need."""
        stored = self._stored(place)
        makers: dict[str, Task] = {}
        arms: list[Task] = []
        for arm in self.arms:
            for source in self._sources(arm, place, stored.get(arm), makers):
                ratios = dict.fromkeys(self.settings.ratios) if has_ratio(arm) else self.settings.ratios[:1]
                arms += [self._arm(arm, ratio, place, source) for ratio in ratios]
        return [*makers.values(), *arms]

    def warnings(self) -> list[str]:
        """Return the warnings about the pairs of the store, each once."""
        warnings = list(dict.fromkeys(self._warnings))
        if left_out := self.store.misfits.warning():
            warnings.append(left_out)
        if self._without_accepted and (accepted := self.store.accepted):
            warnings.append(
                f"The {len(accepted)} accepted pairs are not used in {self._without_accepted} of {self._places} "
                "cases: their generator saw images that are tested, or it is not known what it saw. There the most "
                "realistic pairs of a generator trained in the fold are used (automatically curated)."
            )
        return warnings

    def _stored(self, place: Place) -> dict[str, dict[str, tuple[StoredPair, ...]]]:
        """Return the arms that train on pairs of the store, with these pairs by the title of their generator."""
        settings = self.settings
        if settings.pairs_from == "store":
            stored: dict[str, dict[str, tuple[StoredPair, ...]]] = {}
            names = tuple(dict.fromkeys(settings.generator)) or ("",)
            for arm in filter(needs_generator, self.arms):
                for name in names:
                    pairs, warnings = self.store.of_arm(arm, self.example, settings, place.seed, name)
                    tested = self.aside if settings.paper_protocol else (*place.test, *self.aside)
                    self.store.refuse_leaks(pairs, self._hashes(tested))
                    self._warnings += warnings
                    title = name if len(names) > 1 else ""
                    stored.setdefault(arm, {})[title] = tuple(known.pair for known in pairs)
            return stored
        curated = [arm for arm in self.arms if data_of(arm) == "curated"]
        if not curated:
            return {}
        accepted = self.store.certain(self.hashes, self._seen(place))
        self._places += 1
        self._without_accepted += not accepted
        return {arm: {"": accepted} for arm in curated} if accepted else {}

    def _sources(
        self, arm: str, place: Place, stored: Mapping[str, tuple[StoredPair, ...]] | None, makers: dict[str, Task]
    ) -> list[_Source]:
        """Return where an arm takes its pairs from, one source for each generator; add the tasks that make them."""
        data = data_of(arm)
        if not data:
            return [_Source()]
        if stored is not None:
            return [_Source(name, stored=pairs) for name, pairs in stored.items()]
        if data in ("pasted", "simulated"):
            made = self._pasted(place) if data == "pasted" else self._simulated(place)
            makers.setdefault(made.key, made)
            return [_Source(pairs=made.key)]
        sources = []
        for name, recipes in self.generators.items():
            masks = self._masks(place, recipes) if self.settings.masks_on_all else None
            if masks is not None:
                makers.setdefault(masks.key, masks)
            generator = self._generator(place, name, recipes, masks)
            makers.setdefault(generator.key, generator)
            curation = ""
            if data == "curated":
                choice = self._curate(place, name, generator)
                makers.setdefault(choice.key, choice)
                curation = choice.key
            sources.append(_Source(name, generator.key, curation))
        return sources

    def _hashes(self, names: Sequence[str]) -> Hashes:
        return {name: self.hashes[name] for name in names}

    def _seen(self, place: Place) -> Sequence[str]:
        """Return the images that a generator sees: those to train on, or in the paper protocol all not put aside."""
        return sorted(set(self.hashes) - set(self.aside)) if self.settings.paper_protocol else place.train

    def _of_pairs(self, place: Place) -> dict[str, Any]:
        """Return the fields that all tasks that make pairs share."""
        train = self._seen(place)
        whole = self.settings.segmenter.sees_whole
        return {
            **self.where,
            "train": self._hashes(sorted(train)),
            "held": self._hashes(sorted(set(self.hashes) - set(train))),
            "parts": "all" if self.settings.paper_protocol else "whole" if whole else "bands",
            "seed": place.seed,
            "number": self.settings.pairs,
        }

    def _masks(self, place: Place, recipes: Mapping[str, Recipe]) -> MasksTask | None:
        """Return the training of the generator of masks on all images that are not put aside."""
        if "masks" not in recipes:
            return None
        every = sorted(set(self.hashes) - set(self.aside))
        seen = {"train": self._hashes(every), "held": self._hashes(self.aside), "parts": "all", "number": 1}
        repeat = f", repeat {place.seed - self.settings.seed + 1}" * (self.settings.repeats > 1)
        return MasksTask(
            title=f"training the generator of masks, all images{repeat}",
            recipes={"masks": recipes["masks"]},
            **{**self._of_pairs(place), **seen},
        )

    def _generator(
        self, place: Place, name: str, recipes: Mapping[str, Recipe], masks: MasksTask | None = None
    ) -> GeneratorTask:
        if masks is not None:
            recipes = {kind: recipe for kind, recipe in recipes.items() if kind != "masks"}
        trains = any(recipe.gan.trains for recipe in recipes.values())
        what = f"{'training the generator' if trains else 'painting pairs'} {name}".strip()
        return GeneratorTask(
            title=self._title(what, place),
            recipes=recipes,
            masks=self.settings.masks,
            size=self._painted_size(recipes["generator"]),
            masks_from=masks.key if masks is not None else "",
            **self._of_pairs(place),
        )

    def _painted_size(self, recipe: Recipe) -> int:
        """Side of generated pairs: larger than a crop where a painter can, so that its crops differ; 0: its tile."""
        segmenter, tile = self.settings.segmenter, recipe.tiles.size
        if recipe.shape != "painter" or self.settings.masks == "generated" or segmenter.sees_whole:
            return 0
        room = min(min(self.example.size), round(LEARNED_SHARE * max(self.example.size)))
        side = min(CROPS_ACROSS * segmenter.crops.side, room, LARGEST_PAINTED)
        return side if side > tile else 0

    def _curate(self, place: Place, name: str, generator: GeneratorTask) -> CurateTask:
        title = self._title(f"curating the pairs {name and 'of '}{name}".strip(), place)
        share = self.settings.curated_share
        return CurateTask(title=title, source=generator.key, share=share, train=generator.train, **self.where)

    def _simulated(self, place: Place) -> SimulatorTask:
        return SimulatorTask(title=self._title("simulating", place), size=self._size, **self._of_pairs(place))

    def _pasted(self, place: Place) -> PastedTask:
        return PastedTask(title=self._title("pasting objects", place), size=self._size, **self._of_pairs(place))

    @property
    def _size(self) -> int:
        """Side of simulated and pasted images: larger than a crop; one image for a network that sees whole ones."""
        segmenter = self.settings.segmenter
        side = segmenter.crops.side * (1 if segmenter.sees_whole else CROPS_ACROSS)
        smallest, largest = MADE_SIZE
        return min(max(smallest, side), largest)

    def _title(self, what: str, place: Place) -> str:
        if not self.settings.paper_protocol:
            return place.title(what)
        seeds = self.settings.repeats > 1
        return f"{what}, all images" + f", repeat {place.seed - self.settings.seed + 1}" * seeds

    def _arm(self, arm: str, ratio: float, place: Place, source: _Source) -> ArmTask:
        settings = self.settings
        several = has_ratio(arm) and len(set(settings.ratios)) > 1
        return ArmTask(
            **self.where,
            title=place.title(title_of(arm), source.generator, f"ratio {ratio:g}" if several else ""),
            arm=arm,
            ratio=ratio,
            generator=source.generator,
            subset=place.subset,
            fold=place.fold,
            seed=place.seed,
            steps=settings.steps,
            floor=settings.floor,
            segmenter=settings.segmenter,
            train=self._hashes(place.train),
            test=self._hashes(place.test),
            put_aside=self._hashes(self.scored.tested(self.aside)),
            scored={name: its for name, its in self.scored.partial.items() if name in {*place.test, *self.aside}},
            source=source.pairs,
            curation=source.curation,
            stored=source.stored,
            paper_protocol=settings.paper_protocol,
            show=place.seed == settings.seed and place.subset == max(settings.subsets),
        )
