"""What each verb is told: the recipe of a training and the settings of the others."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BeforeValidator, Field, SerializeAsAny, model_validator

from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.frozen_model import Settings
from napari_organoid_synth.core.generators.pix2pix_config import Pix2PixConfig
from napari_organoid_synth.core.pairs.pair import MaskKind
from napari_organoid_synth.core.registry import GANS, METRICS, SEGMENTERS, Registry
from napari_organoid_synth.core.segmentation.segmenters.unet_config import UNetConfig

if TYPE_CHECKING:
    from napari_organoid_synth.core.codec.codec import Shape


def _member_of(registry: Registry) -> Any:
    """Turn ``"dcgan"`` or ``{"name": "dcgan", ...}`` into that member's settings."""

    def validate(value: Any) -> Any:
        if isinstance(value, str):
            value = {"name": value}
        if isinstance(value, dict) and isinstance(value.get("name"), str):
            return registry.config(value["name"]).model_validate(value)
        return value

    return BeforeValidator(validate)


class TileSettings(Settings):
    """How images are cut."""

    size: int = Field(256, ge=32, le=1024, description="Side of a tile, px.")
    overlap: float = Field(0.2, ge=0, lt=0.9, description="Least share of a tile that its neighbour repeats.")
    min_objects: int | None = Field(
        None, ge=0, description="Fewest objects in a kept tile; empty: 3 for instances, 1 for binary, 0 for classes."
    )
    max_cover: float = Field(0.98, gt=0, le=1, description="Largest share of a kept tile that objects may cover.")
    turn: bool = Field(True, description="Also train on the three right-angle rotations.")
    flip: bool = Field(True, description="Also train on mirror images.")


class CodecSettings(Settings):
    """How pixels and labels become network values."""

    low: float = Field(0.1, ge=0, lt=50, description="Percentile of intensity that becomes -1.")
    high: float = Field(99.9, gt=50, le=100, description="Percentile of intensity that becomes +1.")
    condition: Literal["auto", "edges", "classes", "flow", "labels"] = Field(
        "auto", description="What a painter sees of the mask; auto: edges for instances, else one map per class."
    )


class TrainSettings(Settings):
    """How long and on what."""

    steps: int = Field(4000, ge=1, description="Optimiser steps.")
    batch: int = Field(4, ge=1, le=256, description="Tiles per step.")
    seed: int = Field(0, ge=0, description="Fixes every random choice of the training.")
    device: str = Field("auto", pattern=r"^(auto|cpu|mps|cuda(:\d+)?)$", description="auto, cpu, cuda, cuda:1, mps.")
    precision: Literal["auto", "float32", "bf16"] = Field(
        "auto", description="Arithmetic inside the networks; auto times the first steps and keeps the faster."
    )
    threads: int = Field(0, ge=0, description="Processor threads; 0: as many as there are cores.")
    preview_every: int = Field(100, ge=1, description="Steps between live samples.")
    previews: int = Field(4, ge=1, le=16, description="Pairs in a live sample.")
    checkpoint_every: int = Field(500, ge=1, description="Steps between checkpoints.")
    keep: int = Field(2, ge=1, description="Newest checkpoints that are kept; the best one is kept besides.")
    stop_after: int = Field(
        0, ge=0, le=1000, description="Checkpoints without improvement after which the training ends; 0: never."
    )


Which = Annotated[str, BeforeValidator(lambda value: str(value) if type(value) is int else value)]
"""A checkpoint: newest, best, or its step."""
WHICH = r"^(newest|best|\d{1,9})$"


class StartSettings(Settings):
    """Weights to start from instead of random ones (transfer learning)."""

    run: str = Field("", description="A run of this project, the folder of any run, or a .synth file; empty: none.")
    checkpoint: Which = Field("newest", pattern=WHICH, description="Of that run: newest, best, or a step.")
    freeze: int = Field(
        0, ge=0, le=20, description="Layers of the discriminator, from its input on, that stay as they were there."
    )


class Recipe(Settings):
    """A training: what is drawn, tiles, codec, generator, length."""

    gan: Annotated[SerializeAsAny[Settings], _member_of(GANS)] = Field(Pix2PixConfig(), description="The generator.")
    draws: Literal["pairs", "images", "masks"] = Field(
        "pairs", description="What a generator that starts from noise draws: image and mask together, or one of them."
    )
    start: StartSettings = StartSettings()
    tiles: TileSettings = TileSettings()
    codec: CodecSettings = CodecSettings()
    train: TrainSettings = TrainSettings()

    @model_validator(mode="after")
    def _tile_fits(self) -> Recipe:
        self.gan.check_tile(self.tiles.size)  # type: ignore[attr-defined]
        return self

    @model_validator(mode="after")
    def _painter_needs_pairs(self) -> Recipe:
        if self.gan.shape == "painter" and self.draws != "pairs":  # type: ignore[attr-defined]
            name = self.gan.name  # type: ignore[attr-defined]
            raise UserError(
                f"The recipe lets {name} draw {self.draws}.",
                f"{name} paints images onto masks and needs both.",
                "Set draws to 'pairs', or choose a generator that starts from noise.",
            )
        return self

    @property
    def shape(self) -> Shape:
        """What goes in and out of the generator: ``painter``, or ``joint``, ``image``, ``mask`` from noise."""
        if self.gan.shape == "painter":  # type: ignore[attr-defined]
            return "painter"
        shapes: dict[str, Shape] = {"pairs": "joint", "images": "image", "masks": "mask"}
        return shapes[self.draws]


Names = Annotated[tuple[str, ...], BeforeValidator(lambda value: (value,) if isinstance(value, str) else value)]
"""Several names; one alone may stand without brackets."""


class GenerateSettings(Settings):
    """New pairs from a trained run."""

    run: str = Field("", description="Name of the run, or a .synth file; empty: the newest.")
    checkpoint: Which = Field("newest", pattern=WHICH, description="Of that run: newest, best, or a step.")
    number: int = Field(50, ge=1, le=100_000, description="Pairs to make.")
    seed: int = Field(0, ge=0, description="The same seed and run give the same pairs.")
    masks: Literal["generated", "warped", "real", "fitted", "simulated", "file"] = Field(
        "warped",
        description="What a painter paints on: masks of a mask generator, real masks warped, as they are, new objects "
        "with the sizes, shapes and clusters of the real ones (fitted), simulated, or a label file.",
    )
    mask_run: str = Field("", description="The run that draws the masks when masks is 'generated'; empty: the newest.")
    mask_file: str = Field("", description="Label image to paint on when masks is 'file'.")
    mask_tiles: Names = Field(
        (),
        description="Real tiles, such as image_y0_x128_r0, whose masks alone are warped; empty: masks from anywhere.",
    )
    image_class: str = Field("", description="Class of the images (healthy, a grade); empty: each class in turn.")
    variety: float = Field(1.0, ge=0, le=2, description="Spread of the noise (joint) or of the warp (painter).")
    background: float = Field(
        0.0,
        ge=0,
        le=1,
        description="Share of each channel's range that an uneven background with dust adds to the image, from its "
        "darkest to its brightest place; 0: none.",
    )
    batch: int = Field(4, ge=1, le=256, description="Pairs drawn at once.")
    device: str = Field("auto", pattern=r"^(auto|cpu|mps|cuda(:\d+)?)$", description="auto, cpu, cuda, cuda:1, mps.")


class PipelineSettings(Settings):
    """Masks first, then images: a mask generator, a painter, and pairs made with both."""

    masks: Recipe = Field(
        Recipe.model_validate({"gan": "stylegan2_ada", "draws": "masks", "train": {"batch": 8, "steps": 8000}}),
        description="Training of the mask generator.",
    )
    painter: Recipe = Field(Recipe(), description="Training of the painter.")
    checked: int = Field(100, ge=1, le=10_000, description="Masks that are drawn and checked before painting.")
    number: int = Field(50, ge=1, le=100_000, description="Pairs to make.")
    seed: int = Field(0, ge=0, description="The same seed and trainings give the same pairs.")

    @model_validator(mode="after")
    def _fitting_shapes(self) -> PipelineSettings:
        if self.masks.shape != "mask" or self.painter.shape != "painter":
            raise UserError(
                f"The pipeline's masks draw {self.masks.draws} and its painter is {self.painter.gan.name}.",  # type: ignore[attr-defined]
                "Expected draws=masks, and a generator that paints.",
                "Set masks.draws to 'masks' and painter.gan to a painter such as pix2pix.",
            )
        return self


class ScoreSettings(Settings):
    """Scores of generated pairs, each and as a set."""

    metrics: tuple[str, ...] = Field(tuple(METRICS.names()), description="Which scores of single pairs.")
    again: bool = Field(False, description="Also pairs and sets that have their scores.")
    sets: Literal["all", "kept", "accepted", "none"] = Field(
        "all", description="Which pairs of each run are scored as a set: all, new and accepted (kept), accepted, none."
    )
    extractor: Literal["encoder", "inception2048", "inception64", "vgg19", "random"] = Field(
        "encoder", description="Network whose features compare sets; the encoder learns from the real tiles first."
    )
    weights: str = Field("", description="File of weights of inception2048, inception64 or vgg19.")
    seed: int = Field(0, ge=0, description="Fixes the halves from which intervals and ranges are taken.")
    device: str = Field("auto", pattern=r"^(auto|cpu|mps|cuda(:\d+)?)$", description="auto, cpu, cuda, cuda:1, mps.")


class FeatureSettings(Settings):
    """The network whose features say which tiles are alike."""

    extractor: Literal["encoder", "inception2048", "inception64", "vgg19", "random"] = Field(
        "encoder", description="Network whose features are compared; the encoder learns from the real tiles first."
    )
    weights: str = Field("", description="File of weights of inception2048, inception64 or vgg19.")
    device: str = Field("auto", pattern=r"^(auto|cpu|mps|cuda(:\d+)?)$", description="auto, cpu, cuda, cuda:1, mps.")


class MapSettings(FeatureSettings):
    """A map on which alike tiles and pairs lie near each other."""

    method: Literal["tsne", "pca", "umap"] = Field(
        "tsne", description="tsne keeps neighbours together, pca keeps distances; umap needs the package umap-learn."
    )
    perplexity: float = Field(
        0, ge=0, le=1000, description="About how many neighbours count in t-SNE; 0: 30, or less for few tiles."
    )
    samples: int = Field(10_000, ge=1, le=10_000, description="Most generated pairs on the map, evenly chosen.")
    restarts: int = Field(
        10, ge=1, le=100, description="Times that t-SNE starts; the best map is kept. Fewer above 2000 points."
    )
    seed: int = Field(0, ge=0, le=2**31 - 1000, description="Fixes the starts.")


class FillSettings(FeatureSettings):
    """New pairs near real tiles that no pair comes near."""

    region: int = Field(1, ge=1, description="Number of the empty region on the map.")
    tiles: Names = Field((), description="Real tiles by name, such as image_y0_x128_r0, in place of a region.")
    number: int = Field(20, ge=1, le=10_000, description="Pairs to keep.")
    tries: int = Field(8, ge=1, le=1000, description="Pairs that are drawn for each one that is kept.")
    run: str = Field("", description="Name of the run; empty: the newest that draws images.")
    checkpoint: Which = Field("newest", pattern=WHICH, description="Of that run: newest, best, or its step.")
    variety: float = Field(1.0, ge=0, le=2, description="Spread of the noise (joint) or of the warp (painter).")
    seed: int = Field(0, ge=0, description="The same seed, run and tiles give the same pairs.")
    batch: int = Field(4, ge=1, le=256, description="Pairs drawn at once.")


class ExportSettings(Settings):
    """A curated set as files."""

    folder: str = Field("", description="Where; empty: exports/<time> in the project.")
    formats: tuple[Literal["ome-tiff", "cellpose", "stardist", "nnunet", "biapy"], ...] = Field(
        ("ome-tiff",), min_length=1, description="Layouts to write."
    )
    include_real: bool = Field(False, description="Also the real training pairs.")
    validation: float = Field(0.2, ge=0, lt=1, description="Share of the set put aside for validation.")
    seed: int = Field(0, ge=0, description="Fixes the split.")
    copies: str = Field(
        "",
        description="Why pairs that are flagged as copies of real images are exported all the same; kept in the "
        "manifest. Empty: they are left out.",
    )


class SegmentSettings(Settings):
    """A segmenter trained on several sets (arms), each with the same number of steps."""

    segmenter: Annotated[SerializeAsAny[Settings], _member_of(SEGMENTERS)] = Field(
        UNetConfig(), description="The segmenter."
    )
    arms: tuple[Literal["real", "classical", "synthetic", "curated"], ...] = Field(
        ("real", "classical", "curated"),
        min_length=1,
        description="real; real + classical augmentation; real + all synthetic; real + accepted synthetic.",
    )
    steps: int = Field(500, ge=1, description="Optimiser steps of every arm.")
    seed: int = Field(0, ge=0, description="Fixes initial weights and crops.")
    device: str = Field("auto", pattern=r"^(auto|cpu|mps|cuda(:\d+)?)$", description="auto, cpu, cuda, cuda:1, mps.")
    threads: int = Field(0, ge=0, description="Processor threads; 0: as many as there are cores.")


Share = Annotated[float, Field(gt=0, le=1)]
Ratio = Annotated[float, Field(gt=0, le=100)]


class GainSettings(Settings):
    """What synthetic pairs gain, measured in folds, the generator trained anew in each."""

    segmenter: Annotated[SerializeAsAny[Settings], _member_of(SEGMENTERS)] = Field(
        UNetConfig(), description="The segmenter."
    )
    arms: tuple[
        Literal["raw", "classical-tissue", "classical-organoid", "synthetic", "curated", "simulator", "pretrain"], ...
    ] = Field(
        ("raw", "classical-tissue", "synthetic", "curated"),
        min_length=1,
        description="What is compared; raw, the real pairs alone, is always trained, because the others are compared "
        "with it.",
    )
    design: Literal["hold-out", "k-fold", "leave-one-out", "grouped"] = Field(
        "grouped",
        description="Which images are tested: those put aside, a part in turn, each in turn, or whole groups in turn "
        "(each image by itself where there are no groups).",
    )
    folds: int = Field(0, ge=0, le=1000, description="Of k-fold and grouped; 0: five, or as many as can be.")
    test_share: float = Field(
        0.0, ge=0, lt=1, description="Share that hold-out tests; 0: the test images of the project."
    )
    group_pattern: str = Field(
        "",
        description="Which images belong together: a regular expression that finds the group in the name, or 'folder'; "
        "empty: as the pairs say, or as the names suggest.",
    )
    repeats: int = Field(1, ge=1, le=100, description="Trainings of everything with other seeds.")
    seed: int = Field(0, ge=0, description="Of the folds and of the first repeat; the next ones count up.")
    subsets: tuple[Share, ...] = Field(
        (1.0,), min_length=1, description="Shares of the training images of a fold that are used."
    )
    ratios: tuple[Ratio, ...] = Field(
        (1.0,),
        min_length=1,
        description="Synthetic crops for each real one in a batch; of pretrain, synthetic steps for each real one.",
    )
    steps: int = Field(500, ge=1, description="Optimiser steps of every arm.")
    generator: str = Field(
        "", description="Run of the project, or YAML file, whose recipe is trained in each fold; empty: the newest run."
    )
    mask_generator: str = Field(
        "", description="The same for the masks when masks is 'generated'; empty: the newest run that draws masks."
    )
    generator_steps: int = Field(0, ge=0, description="Optimiser steps of the generator; 0: as in its recipe.")
    masks: Literal["generated", "warped", "real", "fitted", "simulated"] = Field(
        "warped", description="What a painter paints on, as in 'generate'."
    )
    pairs: int = Field(50, ge=1, le=100_000, description="Pairs that are generated, or simulated, in each fold.")
    curated_share: float = Field(
        0.5, gt=0, le=1, description="Most realistic part that is kept where the pairs of a fold are curated by itself."
    )
    paper_protocol: bool = Field(
        False, description="The generator sees the test images too, as in the studies; the result is optimistic."
    )
    scheduler: str = Field(
        "", description="Address of a dask scheduler; empty: workers on this computer; 'here': no workers."
    )
    workers: int = Field(0, ge=0, le=1000, description="Tasks at once on this computer; 0: as many as it has cores.")
    threads: int = Field(1, ge=1, le=1000, description="Processor threads of each task.")
    device: str = Field("auto", pattern=r"^(auto|cpu|mps|cuda(:\d+)?)$", description="auto, cpu, cuda, cuda:1, mps.")


class AnnotateSettings(Settings):
    """A class that this project lacks, learned from another one."""

    source: str = Field("", description="Folder of the project to learn from; it has this one's classes and one more.")
    target: str = Field("", description="The class to add; empty: the only one that is missing here.")
    known: str = Field(
        "", description="Class of the other project that the masks here mark, if they have another name."
    )
    noise: float = Field(
        0.2, ge=0, le=1, description="Noise while learning: σ up to this, where an image spans 0 to 1."
    )
    contrast: float = Field(
        0.4, ge=0, lt=1, description="Contrast varies by this share while learning, brightness by half of it."
    )
    unet: UNetConfig = Field(UNetConfig(channels=16), description="The network.")
    steps: int = Field(1000, ge=1, description="Optimiser steps.")
    seed: int = Field(0, ge=0, description="Fixes initial weights and crops.")
    device: str = Field("auto", pattern=r"^(auto|cpu|mps|cuda(:\d+)?)$", description="auto, cpu, cuda, cuda:1, mps.")
    threads: int = Field(0, ge=0, description="Processor threads; 0: as many as there are cores.")


class PredictSettings(Settings):
    """A trained segmenter applied to images."""

    segmenter: str = Field(
        "",
        description="Folder of a segmenter, or an arm (curated, or COMPARISON/curated/fold1) of a comparison; empty: "
        "the best arm of the newest.",
    )
    images: Names = Field((), description="Folder of images, or single files.")
    folder: str = Field("", description="Where label images go; empty: predictions/<segmenter> in the project.")
    probability: bool = Field(False, description="Also write how sure the segmenter is of each pixel.")
    flow: bool = Field(
        False,
        description="Also write the arrows (dy, dx) by which Cellpose finds its objects; other segmenters have none.",
    )
    scale: float | None = Field(
        None,
        gt=0,
        le=1,
        description="Mark images at this share of their size; empty: that at which the segmenter learned.",
    )
    device: str = Field("auto", pattern=r"^(auto|cpu|mps|cuda(:\d+)?)$", description="auto, cpu, cuda, cuda:1, mps.")
    threads: int = Field(0, ge=0, description="Processor threads; 0: as many as there are cores.")


class PairSettings(Settings):
    """Which images belong to which masks; without images the table is shown."""

    images: Names = Field((), description="Folder of images, or single files. Repeatable.")
    masks: Names = Field((), description="Folder of masks; several named classes as NAME=FOLDER. Repeatable.")
    image_pattern: str = Field("", description="Name of an image, such as '{name}_img.tif'.")
    mask_pattern: str = Field("", description="Name of a mask, such as '{name}_masks.tif'.")
    scale: float | None = Field(
        None,
        gt=0,
        le=1,
        description="Use images and masks at this share of their size; empty: new ones whole, others as before.",
    )
    no_masks: bool = Field(False, description="The images have no masks; generators of images alone learn from them.")
    kind: MaskKind | None = Field(None, description="binary, classes or instances; empty: detected.")
    test: float | str = Field("", description="Test images: names separated by commas, or a share such as 0.2.")


class CurateSettings(Settings):
    """Verdicts; without any the counts are shown."""

    rebuild: bool = Field(False, description="Make a damaged list of samples anew from the images; verdicts are lost.")
    accept: Names = Field((), description="Sample to accept, best:N or diverse:N. Repeatable.")
    reject: Names = Field((), description="Sample to reject. Repeatable.")
    undo: bool = Field(False, description="Take the last decision back.")
    redo: bool = Field(False, description="Decide again what was taken back.")


class SimulateSettings(Settings):
    """How many simulated pairs of which size."""

    number: int = Field(10, ge=1, description="How many pairs.")
    size: int = Field(256, ge=64, le=4096, description="Side of the images, px.")
    seed: int = Field(0, ge=0, description="The same seed gives the same pairs.")
    masks: str = Field("", description="Folder of label images that 'population' is fitted to; empty: its own sizes.")


class ShareSettings(Settings):
    """What a model file says of itself."""

    run: str = Field("", description="Name of the run; empty: the newest.")
    checkpoint: Which = Field("best", pattern=WHICH, description="newest, best, or a step.")
    licence: str = Field("", description="SPDX identifier under which others may use it, such as CC-BY-4.0.")
    name: str = Field("", max_length=100, description="What it is called; empty: the name of the run.")
    authors: str = Field("", max_length=1000, description="Who made it.")
    note: str = Field("", max_length=10_000, description="What others should know.")


class AdoptSettings(Settings):
    """How a model file is taken into a project."""

    name: str = Field("", max_length=100, description="What its run is called; empty: as the file says.")


class ReportSettings(Settings):
    """Where the report goes."""

    output: str = Field("", description="HTML file; empty: report.html in the project.")


VERBS: dict[str, type[Settings]] = {
    "train": Recipe,
    "generate": GenerateSettings,
    "pipeline": PipelineSettings,
    "score": ScoreSettings,
    "map": MapSettings,
    "fill": FillSettings,
    "export": ExportSettings,
    "segment": SegmentSettings,
    "gain": GainSettings,
    "predict": PredictSettings,
    "annotate": AnnotateSettings,
}
"""Every long verb and its settings; the functions are in `registry.VERBS`."""

SHORT_VERBS: dict[str, type[Settings]] = {
    "pair": PairSettings,
    "curate": CurateSettings,
    "simulate": SimulateSettings,
    "share": ShareSettings,
    "adopt": AdoptSettings,
    "report": ReportSettings,
}
"""The verbs that end at once, and their settings, each of which is also an option of the command line."""
