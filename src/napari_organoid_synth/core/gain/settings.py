"""Settings of comparisons: segmenters trained with and without synthetic pairs."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from napari_organoid_synth.core.fields import DeviceName, Layout, Threads
from napari_organoid_synth.core.frozen_model import Settings
from napari_organoid_synth.core.segmentation.arms import Arm, current_arm
from napari_organoid_synth.core.segmentation.segmenters.config import AnySegmenter
from napari_organoid_synth.core.segmentation.segmenters.unet_config import UNetConfig

DEFAULT_ARMS: tuple[Arm, ...] = ("raw", "classical", "classical+pasted", "classical+synthetic")
HERE = "here"
"""The scheduler that works in this process."""
Share = Annotated[float, Field(gt=0, le=1)]
Ratio = Annotated[float, Field(gt=0, le=100)]


def _current_arms(value: Any) -> Any:
    """Return arms by their present names; one alone may stand without brackets."""
    if isinstance(value, str):
        value = (value,)
    if not isinstance(value, list | tuple):
        return value
    return tuple(current_arm(name) if isinstance(name, str) else name for name in value)


Arms = Annotated[tuple[Arm, ...], BeforeValidator(_current_arms)]
Ratios = Annotated[
    tuple[Ratio, ...], BeforeValidator(lambda value: (value,) if isinstance(value, int | float) else value)
]
Generator = Annotated[
    tuple[str, ...], BeforeValidator(lambda value: tuple(filter(None, [value])) if isinstance(value, str) else value)
]
"""Names of generators; a single one may stand without brackets, and an empty one is none."""
STEPS = "Most optimiser steps of a training; it ends earlier when its held-back score stops rising."
FLOOR = "Optimiser steps before which no training ends, if it may take more."
RATIOS = (
    "Added crops for each real one in a batch; each is tried, and in each fold that with the highest held-back score "
    "is taken, or none of the pairs."
)


class SegmentSettings(Settings):
    """A quick comparison: on the test images of the project, with its synthetic pairs."""

    segmenter: AnySegmenter = Field(UNetConfig(), description="The segmenter.")
    arms: Arms = Field(
        DEFAULT_ARMS,
        min_length=1,
        description="raw: real pairs, always trained; classical: with augmentation; either with pairs added, such as "
        "classical+pasted, classical+synthetic (all synthetic pairs), classical+curated (the accepted ones).",
    )
    steps: int = Field(5000, ge=1, description=STEPS)
    floor: int = Field(1500, ge=1, description=FLOOR)
    ratios: Ratios = Field((0.25, 1.0), min_length=1, description=RATIOS)
    seed: int = Field(0, ge=0, description="Fixes initial weights and crops; a quick comparison has one seed.")
    device: DeviceName = "auto"
    threads: Threads = 0

    def as_gain(self) -> GainSettings:
        """Return the same comparison as settings of `gain`: one split, one seed, in this process."""
        return GainSettings(
            segmenter=self.segmenter,
            arms=self.arms,
            design="hold-out",
            pairs_from="store",
            steps=self.steps,
            floor=self.floor,
            ratios=self.ratios,
            repeats=1,
            seed=self.seed,
            device=self.device,
            threads=self.threads,
            scheduler=HERE,
        )


class GainSettings(Settings):
    """Gain from synthetic pairs, measured in folds."""

    segmenter: AnySegmenter = Field(UNetConfig(), description="The segmenter.")
    arms: Arms = Field(
        DEFAULT_ARMS,
        min_length=1,
        description="What is compared: an augmentation (raw: none, classical, classical-tissue, classical-organoid), "
        "alone or with pairs added (+pasted, +simulated, +synthetic, +curated); pretrain; synthetic-only. raw is "
        "always trained, and so is each augmentation alone.",
    )
    design: Literal["hold-out", "k-fold", "leave-one-out", "grouped"] = Field(
        "grouped",
        description="Which images are tested: those put aside, a part in turn, each in turn, or whole groups in turn "
        "(each image alone where there are no groups).",
    )
    folds: int = Field(0, ge=0, le=1000, description="Of k-fold and grouped; 0: five, or as many as can be.")
    balance: bool = Field(
        False, description="Deal images out so that the folds have about as many objects each, not as many images."
    )
    test_share: float = Field(
        0.0, ge=0, lt=1, description="Share that hold-out tests; 0: the test images of the project."
    )
    group_pattern: str = Field(
        "",
        description="Which images belong together, if not as the pairs say: folder, names, none, a CSV file with the "
        "columns name and group, or a regular expression that finds the group in the name.",
    )
    score_classes: tuple[str, ...] = Field(
        (),
        description="Classes that are scored; empty: all that were drawn. A class that a segmenter predicted in a test "
        "image is never scored there.",
    )
    repeats: int = Field(
        3,
        ge=1,
        le=100,
        description="Trainings of everything with other seeds; with one, luck of a seed is not in the interval.",
    )
    seed: int = Field(0, ge=0, description="Of the folds and of the first repeat; the next ones count up.")
    subsets: tuple[Share, ...] = Field(
        (1.0,), min_length=1, description="Shares of the training images of a fold that are used."
    )
    ratios: Ratios = Field((0.25, 1.0), min_length=1, description=RATIOS)
    steps: int = Field(5000, ge=1, description=STEPS)
    floor: int = Field(1500, ge=1, description=FLOOR)
    pairs_from: Literal["folds", "store"] = Field(
        "folds",
        description="Generated pairs: of a generator trained in each fold, or those of the project (store: all for "
        "synthetic, the accepted ones for curated), whose generator must not have seen a test image.",
    )
    generator: Generator = Field(
        (),
        description="Run of the project, or YAML file, whose recipe is trained in each fold, or 'analogy', which "
        "needs no training; of several each gives its own arms; empty: the newest run, or analogy where there is none. "
        "With pairs of the store: the run that made them, several joined by +; empty: all pairs.",
    )
    mask_generator: str = Field(
        "", description="The same for the masks when masks is 'generated'; empty: the newest run that draws masks."
    )
    generator_steps: int = Field(0, ge=0, description="Optimiser steps of the generator; 0: as in its recipe.")
    masks: Layout = Field("auto", description="What a painter paints on, as in 'generate'.")
    pairs: int = Field(50, ge=1, le=100_000, description="Pairs that are generated, or simulated, in each fold.")
    curated_share: float = Field(
        0.5,
        gt=0,
        le=1,
        description="Most realistic part that is kept where the pairs of a fold are curated automatically.",
    )
    paper_protocol: bool = Field(
        False, description="The generator sees the test images too, as in the studies; the result is optimistic."
    )
    masks_on_all: bool = Field(
        False,
        description="The generator of masks is trained once, on all images that are not put aside, painters in each "
        "fold without its test images, as in the tissue study; the result is optimistic.",
    )
    scheduler: str = Field(
        "", description="Address of a dask scheduler; empty: workers on this computer; 'here': no workers."
    )
    workers: int = Field(
        0,
        ge=0,
        le=1000,
        description="Tasks at once on this computer; 0: one on each graphics card, else one a core.",
    )
    threads: int = Field(1, ge=0, le=1000, description="Processor threads of each task; 0: as many as there are cores.")
    device: DeviceName = "auto"
