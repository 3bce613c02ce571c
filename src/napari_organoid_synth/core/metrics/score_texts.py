"""The short name, the meaning and the direction of every score, for whatever shows one. Knows no metric."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Direction = Literal["high", "low", "range"]
DIRECTIONS: dict[Direction, str] = {
    "high": "more is better",
    "low": "less is better",
    "range": "best as in the real images",
}


@dataclass(frozen=True)
class ScoreText:
    """One score in words.

    Parameters
    ----------
    title : str
        A few words for a column or a list.
    about : str
        One sentence, or two.
    better : {"high", "low", "range"}
        Direction that is good; "range": near to the real images, in both directions.
    """

    title: str
    about: str
    better: Direction

    @property
    def direction(self) -> str:
        """The direction in words."""
        return DIRECTIONS[self.better]

    @property
    def sentence(self) -> str:
        """Meaning and direction."""
        return f"{self.about} {self.direction.capitalize()}."


_DIFFER = "How much the distribution in the synthetic masks differs from that in the real ones"
_KS = f"{_DIFFER}: 0 equal, 1 separate."
_W = f"{_DIFFER}, in its own units."
_FLOWS = "of the masks, drawn as heat flows (object, arrows to its centre) or as maps of the classes, in features"
_ALIKE = "over all pairs of a synthetic and a real tile"

SAMPLE_TEXTS: dict[str, ScoreText] = {
    "realism": ScoreText(
        "Realism",
        "Share of real tiles that are less ordinary in their worst trait; 5 of 100 real tiles lie below 0.05.",
        "high",
    ),
    "fits": ScoreText(
        "Mask fits image", "How well the mask follows its image; 5 of 100 real pairs lie below 0.5.", "high"
    ),
    "nearest": ScoreText(
        "Likeness to a real image", "Structural similarity to the most similar real tile; 1 is the same image.", "range"
    ),
    "real_distance": ScoreText(
        "Distance to a real tile",
        "Over the distance that real tiles of different images have; a copy lies below 1.",
        "high",
    ),
    "manifold": ScoreText(
        "Outside the real tiles", "Distance from the cloud of real tiles; above 1 outside it.", "low"
    ),
    "hf_energy": ScoreText(
        "Fine structure", "Strength of the finest structure. Noise raises it, blur lowers it.", "range"
    ),
    "blur": ScoreText("Blur", "0 is sharp, 1 is blurred.", "range"),
    "grid": ScoreText("Grid", "Pattern that upsampling leaves every 2, 4 or 8 px; about 0 without.", "low"),
    "slope": ScoreText(
        "Slope of the spectrum", "How fast detail fades towards fine structure; low is smooth.", "range"
    ),
    "brightness": ScoreText("Brightness", "Median grey level, 0 black and 1 white.", "range"),
    "contrast": ScoreText("Contrast", "Grey levels from the 5th to the 95th percentile.", "range"),
    "objects": ScoreText("Objects", "Number of objects in the mask.", "range"),
    "mean_area": ScoreText("Mean area", "Mean area of the objects, px.", "range"),
    "covered": ScoreText("Covered", "Share of the image that objects cover.", "range"),
    "valid": ScoreText("Usable mask", "1 where the mask can be used, else 0.", "high"),
    "skeleton": ScoreText("Middle lines", "Length of the middle lines of the mask, px.", "range"),
    "junctions": ScoreText("Junctions", "Junctions of the middle lines of the mask.", "range"),
}
"""Scores of single pairs."""

SET_TEXTS: dict[str, ScoreText] = {
    "kid": ScoreText(
        "KID",
        "Distance of the synthetic from the real tiles in features, about 0 for a perfect set; reliable also with few "
        "tiles: read it first.",
        "low",
    ),
    "fid": ScoreText(
        "FID", "The same distance with Gaussians; too high with few tiles: compare only with the originals.", "low"
    ),
    "precision": ScoreText(
        "Precision: look real", "Share of synthetic tiles that lie among the real ones: do they look real?", "high"
    ),
    "recall": ScoreText(
        "Recall: all is covered",
        "Share of real tiles that lie among the synthetic ones: is all the variety there?",
        "high",
    ),
    "density": ScoreText("Density", "As precision, but one odd real tile does not help; may exceed 1.", "high"),
    "coverage": ScoreText("Coverage", "Share of real tiles that have a synthetic one near.", "high"),
    "c2st": ScoreText(
        "Told apart (0.5: not)",
        "How often the nearest neighbour tells whether a tile is real: 0.5 by chance, far below it copies.",
        "range",
    ),
    "ssim": ScoreText("SSIM", f"Structural similarity {_ALIKE}; above the originals: copies or plain images.", "range"),
    "uqi": ScoreText("UQI", f"Universal quality index {_ALIKE}.", "range"),
    "nmi": ScoreText("Mutual information", f"Information that tiles share, 0 to 1, {_ALIKE}.", "range"),
    "psnr": ScoreText("PSNR", f"Peak signal to noise ratio {_ALIKE}.", "range"),
    "mse": ScoreText("MSE", f"Mean squared difference, grey levels 0 to 255, {_ALIKE}.", "range"),
    "hf_energy": SAMPLE_TEXTS["hf_energy"],
    "blur": SAMPLE_TEXTS["blur"],
    "flow_kid": ScoreText("KID of masks", f"Distance {_FLOWS}; about 0 for a perfect set.", "low"),
    "flow_fid": ScoreText("FID of masks", f"The same distance with Gaussians {_FLOWS}.", "low"),
    "ks_count": ScoreText("Number of objects, KS", _KS, "low"),
    "ks_area": ScoreText("Area, KS", _KS, "low"),
    "ks_eccentricity": ScoreText("Eccentricity, KS", _KS, "low"),
    "ks_touching": ScoreText("Touching share, KS", _KS, "low"),
    "ks_decode_error": ScoreText("Decode error, KS", f"{_KS} Of the error that an encoding of the mask leaves.", "low"),
    "w_count": ScoreText("Number of objects, Wasserstein", _W, "low"),
    "w_area": ScoreText("Area, Wasserstein", _W, "low"),
    "w_eccentricity": ScoreText("Eccentricity, Wasserstein", _W, "low"),
    "w_touching": ScoreText("Touching share, Wasserstein", _W, "low"),
    "w_decode_error": ScoreText(
        "Decode error, Wasserstein", f"{_W} Of the error that an encoding of the mask leaves.", "low"
    ),
}
"""Scores of sets of pairs."""


def sample_text(name: str) -> ScoreText:
    """Return the words for a score of single pairs; for one of an added metric its name alone."""
    return SAMPLE_TEXTS.get(name) or ScoreText(name, "A score that was added to this program.", "range")
