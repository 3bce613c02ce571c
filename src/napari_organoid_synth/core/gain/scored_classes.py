"""Which classes of which test images are scored: those that a person drew, or some of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.gain.folds import Fold
from napari_organoid_synth.core.pairs.loading import drawn_classes
from napari_organoid_synth.core.pairs.table import PairEntry, PairTable
from napari_organoid_synth.core.quantities import plural


@dataclass(frozen=True)
class ScoredClasses:
    """Classes that a comparison scores.

    Parameters
    ----------
    classes : tuple of str
        Scored in at least one image, in the order of the masks.
    by_image : dict of str to tuple of str
        Those scored in each image; empty where nothing that counts was drawn.
    of_all : tuple of str
        All classes of the masks.
    predicted : tuple of str
        Those that were drawn in none of the images.
    """

    classes: tuple[str, ...]
    by_image: dict[str, tuple[str, ...]]
    of_all: tuple[str, ...]
    predicted: tuple[str, ...] = ()

    @property
    def partial(self) -> dict[str, tuple[str, ...]]:
        """The images in which not all classes are scored, with those that are."""
        return {name: classes for name, classes in self.by_image.items() if classes != self.of_all}

    def tested(self, names: Sequence[str]) -> tuple[str, ...]:
        """Return those of the images in which something is scored."""
        return tuple(name for name in names if self.by_image[name])

    def folds(self, folds: Sequence[Fold]) -> list[Fold]:
        """Return the folds without the test images in which nothing is scored, and without folds that have no other.

        Such an image is still not trained on in its fold.
        """
        tests = [self.tested(fold.test) for fold in folds]
        return [Fold(train=fold.train, test=test) for fold, test in zip(folds, tests, strict=True) if test]

    def warnings(self, names: Sequence[str]) -> list[str]:
        """Return sentences about the classes that are not scored in these test images."""
        texts = []
        if self.classes != self.of_all:
            which = f"Of {', '.join(self.of_all)} only {', '.join(self.classes)} {_is(self.classes)} scored."
            why = f" In all test images {', '.join(self.predicted)} {_was(self.predicted)} predicted, not drawn."
            texts.append(which + why * bool(self.predicted))
        count = {one: sum(one in self.by_image[name] for name in names) for one in self.classes}
        for one, number in count.items():
            if number < len(names):
                texts.append(
                    f"'{one}' is scored in {number} of {plural(len(names), 'test image')}: in the others it was "
                    "predicted, not drawn."
                )
        return texts


def _is(names: Sequence[str]) -> str:
    return "is" if len(names) == 1 else "are"


def _was(names: Sequence[str]) -> str:
    return "was" if len(names) == 1 else "were"


def scored_classes(table: PairTable, tested: Sequence[PairEntry], chosen: Sequence[str] = ()) -> ScoredClasses:
    """Find which classes can be scored: those that were drawn, never those that a segmenter predicted.

    Parameters
    ----------
    table : PairTable
        Checked.
    tested : sequence of PairEntry
        Rows of all test images.
    chosen : sequence of str
        Classes to score; empty: all that were drawn.

    Raises
    ------
    UserError
        If a class is unknown, or none of these was drawn in any test image.
    """
    names = table.class_names
    if unknown := [one for one in chosen if one not in names]:
        raise UserError(
            f"There is no class '{unknown[0]}' to score.",
            f"Expected some of: {', '.join(names)}.",
            "Check the spelling.",
        )
    drawn = {entry.name: drawn_classes(entry, names) for entry in tested}
    predicted = tuple(one for one in names if not any(one in its for its in drawn.values()))
    if chosen and table.mask_kind == "classes":
        drawn = {name: tuple(one for one in classes if one in chosen) for name, classes in drawn.items()}
    classes = tuple(one for one in names if any(one in its for its in drawn.values()))
    if missing := [one for one in chosen if one not in classes]:
        raise UserError(
            f"'{missing[0]}' was predicted in all {len(tested)} test images, drawn in none.",
            "Expected a class that a person drew: a prediction is no truth.",
            "Score another class, or correct its masks by hand.",
        )
    if tested and not classes:
        raise UserError(
            f"The masks of all {len(tested)} test images were predicted, none was drawn.",
            "Expected masks that a person drew: a prediction is no truth.",
            "Correct them by hand, or test other images.",
        )
    return ScoredClasses(classes, drawn, names, predicted)
