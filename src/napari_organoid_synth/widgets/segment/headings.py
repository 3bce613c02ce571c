"""Groups of the settings of a comparison, with their terms explained where they are used."""

from __future__ import annotations

from napari_organoid_synth.widgets.forms.headings import Heading

ARM = "Each box is an arm: one way to train the same segmenter. All arms are tested on the same images."
PRETRAIN = "synthetic pairs first, then real ones"
FOLD = "A fold is a share of the images that is tested while the others are learned from; each image is tested once."
HELD_BACK = (
    "A strip of each training image is held back and never learned from: a training ends when its score there stops "
    "rising."
)
PAIRS = Heading(
    "Pairs that are added",
    "Made in each fold by a generator that has not seen its test images.",
    ("pairs_from", "generator", "mask_generator", "generator_steps", "masks", "pairs", "curated_share", "ratios",
     "subsets", "paper_protocol", "masks_on_all"),
)  # fmt: skip
TESTED = Heading("How it is tested", FOLD, ("folds", "balance", "group_pattern", "score_classes", "seed"))
COMPUTER = Heading("Computer", "", ("device", "workers", "threads", "scheduler"))
MEMBER = (
    Heading(
        "Network of the segmenter",
        "",
        ("network", "channels", "depth", "width", "rays", "grid", "weights", "download", "norm", "fit", "predict",
         "folder", "hours", "trained_to_end"),
    ),
    Heading(
        "Its training",
        "",
        ("tile", "side", "batch", "learning_rate", "class_weights", "foreground", "elastic", "rescale", "adversarial",
         "adversarial_weight", "adversary_rate", "whole", "compile"),
    ),
    Heading(
        "Whole images, as in the spheroid study",
        "Of the U-Net these have an effect only with Study.",
        ("study", "turn", "hard", "hard_share", "foreground_weight", "largest_weight", "threshold", "fill_holes",
         "smallest", "objects"),
    ),
)  # fmt: skip
"""Of the settings of all segmenters."""
HEADINGS = {
    "gain": (PAIRS, TESTED, Heading("When a training ends", HELD_BACK, ("floor",)), COMPUTER),
    "segment": (
        Heading("Pairs that are added", "The synthetic pairs that the project has.", ("ratios",)),
        Heading("When a training ends", HELD_BACK, ("floor", "seed")),
        Heading("Computer", "", ("device", "threads")),
    ),
}
