"""A trained generator ready to draw: its network, its codec, and the origin of both.

It takes random streams and label images and gives native pixels. Torch ends here; which seed belongs to which sample is
decided in `sampler`.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray

from napari_organoid_synth.core.codec.codec import Codec
from napari_organoid_synth.core.codec.spec import PairSpec, Shape
from napari_organoid_synth.core.device import pick_device, random_stream
from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.generators.canvas import Stream, at_tile
from napari_organoid_synth.core.generators.painted import Painted
from napari_organoid_synth.core.generators.untrained import UntrainedPainter
from napari_organoid_synth.core.pairs.tiling import TileGrid, middle
from napari_organoid_synth.core.quantities import capital
from napari_organoid_synth.core.recipe import Recipe
from napari_organoid_synth.core.runs.model_file import SUFFIX, read_model_file
from napari_organoid_synth.core.runs.run import Run, new_generator
from napari_organoid_synth.core.runs.sharing import tensors_of
from napari_organoid_synth.core.seeds import seed_of
from napari_organoid_synth.core.synthesis.tones import BLUR, Tones, draw_sketch
from napari_organoid_synth.core.training.dataset import decode_sample

if TYPE_CHECKING:
    from napari_organoid_synth.core.generators.base import Generator

ModelSource: TypeAlias = "TrainedGenerator | Run | Path | str"
"""A trained generator, a run, the folder of a run, or a ``.synth`` file."""
ImageClass: TypeAlias = "int | Sequence[float]"
"""An image class by its index, or the share of each class."""
OVERLAP = 0.5  # of the tiles in which a large mask is painted
SKETCH_TIME = 0.45


@dataclass(frozen=True, eq=False)
class TrainedGenerator:
    """A generator with the weights of one checkpoint.

    Parameters
    ----------
    name : str
        Of the run, or of the model file without its suffix.
    recipe : Recipe
        Of its training.
    codec : Codec
        Of its training.
    network : Generator
        On its device.
    step : int
        Of the checkpoint.
    sha256 : str
        Of the file with the tensors.
    data : dict of str to str
        Hash of every pair that it learned from, by name.
    title : str
        In sentences: ``"run 3"``, or the name of the file.
    """

    name: str
    recipe: Recipe
    codec: Codec
    network: Generator
    step: int
    sha256: str
    data: dict[str, str] = field(default_factory=dict)
    title: str = "the generator"

    @classmethod
    def open(cls, source: ModelSource, checkpoint: str = "newest", device: str = "auto") -> TrainedGenerator:
        """Load a run or a model file.

        Parameters
        ----------
        source : Run, Path or str
            A run, its folder, or a ``.synth`` file.
        checkpoint : str
            Of a run: ``"newest"``, ``"best"``, or a step. A file has one.
        device : str
            ``"auto"``, ``"cpu"``, ``"cuda"``, …

        Raises
        ------
        UserError
            If there is no whole checkpoint, or the file is damaged or not ours.
        """
        if isinstance(source, TrainedGenerator):
            return source
        if isinstance(source, Run):
            return cls.from_run(source, checkpoint, device)
        path = Path(source).expanduser()
        if path.suffix.lower() == SUFFIX:
            return cls.from_file(path, device)
        return cls.from_run(Run(path), checkpoint, device)

    @classmethod
    def from_run(cls, run: Run, checkpoint: str = "newest", device: str = "auto") -> TrainedGenerator:
        """Load a checkpoint of a run."""
        network = new_generator(run.recipe, run.spec, draws_only=True).to(pick_device(device))
        weights = run.load(network, run.pick(checkpoint))
        return cls(run.name, run.recipe, run.codec, network, weights.step, weights.sha256, run.seen, run.title)

    @classmethod
    def from_file(cls, path: Path, device: str = "auto") -> TrainedGenerator:
        """Load a model file without importing it into a project."""
        file = read_model_file(path)
        tensors = tensors_of(file)
        network = new_generator(file.recipe, file.spec, draws_only=True).to(pick_device(device))
        network.load_shared_state(tensors, file.card.numbers)
        digest = file.card.sha256["model.safetensors"]
        return cls(path.stem, file.recipe, file.codec, network, file.card.steps, digest, file.data, path.name)

    @property
    def shape(self) -> Shape:
        """Kind of output: ``joint``, ``image``, ``mask``, or ``painter``, which paints an image onto a mask."""
        return self.recipe.shape

    @property
    def spec(self) -> PairSpec:
        """Shapes of input and output of the network."""
        return self.recipe.spec(self.codec)

    @property
    def generator(self) -> str:
        """Name of the kind of generator."""
        return self.recipe.gan.name

    @property
    def device(self) -> torch.device:
        """Device of the networks."""
        return self.network.device

    @property
    def side(self) -> int:
        """Side of a tile, px."""
        return self.recipe.tiles.size

    @property
    def sample_side(self) -> int:
        """Side of a sample, px: of a tile, or of the whole images that it learned from."""
        return self.recipe.tiles.side

    def draw(
        self, streams: Sequence[Stream], image_class: Sequence[ImageClass], variety: float = 1.0
    ) -> list[tuple[NDArray[Any] | None, NDArray[np.int32] | None]]:
        """Draw from noise: for each stream an image (C, Y, X) and labels (Y, X); None for the part that is not drawn.

        Parameters
        ----------
        streams : sequence of Stream
            One for each sample, on the device.
        image_class : sequence of int or of sequence of float
            Class of each sample, an index into ``codec.image_classes``, or the share of each class in it.
        variety : float
            Spread of the noise, 1 as trained.
        """
        samples = self._sample(streams, image_class, variety)
        return [decode_sample(sample, self.codec, self.spec) for sample in samples]

    def draw_fields(
        self, streams: Sequence[Stream], image_class: Sequence[ImageClass], variety: float = 1.0
    ) -> NDArray[np.float32]:
        """Draw from noise, cut back and do not decode: (N, C, Y, X) float32, about [-1, 1]."""
        return middle(self._sample(streams, image_class, variety).float().cpu().numpy(), self.spec.whole)

    def _sample(self, streams: Sequence[Stream], image_class: Sequence[ImageClass], variety: float) -> torch.Tensor:
        classes = torch.tensor(list(image_class), device=self.device)
        return self.finite(self.network.sample(streams, image_class=classes, variety=variety))

    def finite(self, samples: torch.Tensor) -> torch.Tensor:
        """Return samples whose values are all numbers; anything else would be written as 0."""
        if bool(torch.isfinite(samples).all()):
            return samples
        raise UserError(
            f"{capital(self.title)} draws values that are not numbers (checkpoint {self.step}).",
            "Expected finite values.",
            "Choose another checkpoint, or train the generator again.",
        )

    @property
    def untrained(self) -> UntrainedPainter | None:
        """The painter that needs no training, if it is one."""
        return self.network if isinstance(self.network, UntrainedPainter) else None

    def paint(
        self,
        labels: Sequence[NDArray[np.integer[Any]]],
        streams: Sequence[Stream],
        image_class: Sequence[ImageClass],
        variety: float = 1.0,
        exclude: Sequence[Collection[str]] | None = None,
    ) -> list[Painted]:
        """Paint an image (C, Y, X) onto each mask (Y, X); a mask that is not a tile is painted tile by tile.

        Parameters
        ----------
        labels : sequence of NDArray (Y, X) int
            Labels as in the training masks.
        streams, image_class, variety
            As in `draw`.
        exclude : sequence of collection of str, optional
            For each mask the names of real images that a painter without training may not use.
        """
        if not labels:
            return []
        if self.untrained is not None:
            barred = [()] * len(labels) if exclude is None else exclude
            seeds = [_seed_of(stream) if variety else 0 for stream in streams]
            return _side_by_side(self.untrained, labels, seeds, barred)
        if self.network.paints_any_size:
            each = zip(labels, streams, image_class, strict=True)
            return [Painted(self._paint_whole(one, stream, number, variety)) for one, stream, number in each]
        if any(one.shape != (self.side, self.side) for one in labels):
            each = zip(labels, streams, image_class, strict=True)
            return [Painted(self._paint_in_tiles(one, stream, number, variety)) for one, stream, number in each]
        condition = torch.from_numpy(np.stack([self.codec.encode_condition(one) for one in labels]))
        classes = torch.tensor(list(image_class), device=self.device)
        samples = self.finite(self.network.sample(streams, condition=condition, image_class=classes, variety=variety))
        images = [decode_sample(sample, self.codec, self.spec)[0] for sample in samples]
        return [Painted(image) for image in images if image is not None]

    def _paint_whole(
        self, labels: NDArray[np.integer[Any]], stream: Stream, image_class: ImageClass, variety: float
    ) -> NDArray[Any]:
        """Paint a mask of any size at once."""
        condition = torch.from_numpy(self.codec.encode_condition(labels)[None])
        classes = torch.tensor([image_class], device=self.device)
        drawn = self.network.sample([stream], condition=condition, image_class=classes, variety=variety)
        return self.codec.decode_image(self.finite(drawn)[0].float().cpu().numpy())

    def sketch(
        self,
        labels: NDArray[np.integer[Any]],
        tones: Tones,
        seed: int,
        time: float = SKETCH_TIME,
        blur: float = BLUR,
        variety: float = 1.0,
    ) -> NDArray[Any]:
        """Turn a mask into an image without having learned masks: as tones, which the generator finishes.

        Parameters
        ----------
        labels : NDArray (Y, X) int
            A mask of any size; with one class in ``tones`` every label is an object, else labels are the classes.
        tones : Tones
            Brightness of background and objects: `Tones.guess`, or measured.
        seed : int
            Fixes tones and noise.
        time : float in (0, 1)
            Where on the way from noise to picture the sketch is put: at 0.3 images drift off the mask, at 0.6 they
            stay flat.
        blur : float
            Of the edges of the sketch, px.
        variety : float
            Spread of the noise, 1 as trained.

        Returns
        -------
        NDArray (C, Y, X), native dtype

        Raises
        ------
        UserError
            If the generator cannot start from a sketch, draws masks, or has other channels than the tones.
        """
        if self.shape not in ("image", "painter"):
            raise UserError(
                f"{capital(self.title)} draws masks.",
                "Expected a generator of images alone.",
                "Train flow_joint with draws=images.",
            )
        channels = tones.means.shape[1]
        if channels != self.spec.image_channels:
            raise UserError(
                f"The tones have {channels} channels.",
                f"Expected {self.spec.image_channels}, as the images of {self.title}.",
                "Measure the tones on such images.",
            )
        rng = np.random.default_rng(seed_of(seed, "tones"))
        sketch = torch.from_numpy(draw_sketch(labels, tones, rng, blur)[None])
        stream = random_stream(self.device, seed, "sketch")
        drawn = self.finite(self.network.finish(sketch.to(self.device), stream, time, variety=variety))
        return self.codec.decode_image(drawn[0].cpu().numpy())

    def _paint_in_tiles(
        self, labels: NDArray[np.integer[Any]], stream: Stream, image_class: ImageClass, variety: float
    ) -> NDArray[Any]:
        """Paint a mask of any size; tiles are blended while encoded, with the same noise where they overlap."""
        height, width = labels.shape
        grid = TileGrid((height, width), self.side, OVERLAP)
        tiles = grid.cut(self.codec.encode_condition(labels))
        painted = (
            self.paint_tile(tile, place, stream, image_class, variety)
            for tile, place in zip(tiles, grid.boxes, strict=True)
        )
        return self.codec.decode_image(grid.blend(painted))

    def paint_tile(
        self,
        condition: NDArray[np.float32],
        place: tuple[int, int],
        stream: Stream,
        image_class: ImageClass,
        variety: float = 1.0,
        alone: bool = False,
    ) -> NDArray[np.float32]:
        """Paint a tile of a canvas; its noise belongs to the place, so that neighbours see the same.

        Parameters
        ----------
        condition : NDArray (M, tile, tile) float32 in [-1, 1]
            Encoded mask of the tile.
        place : (int, int)
            First row and column of the tile, px.
        stream, image_class, variety
            Of the canvas, as in `paint`.
        alone : bool
            Whether the tile is the whole canvas, which has the noise of the stream itself.

        Returns
        -------
        NDArray (C, tile, tile) float32 in [-1, 1]
        """
        shown = torch.from_numpy(np.ascontiguousarray(condition[None]))
        classes = torch.tensor([image_class], device=self.device)
        rng = at_tile(stream, *place, self.side) if self.network.takes_tile_streams and not alone else stream
        drawn = self.network.sample(rng, condition=shown, image_class=classes, variety=variety)
        return np.asarray(self.finite(drawn)[0].cpu().numpy())


def _seed_of(stream: Stream) -> int:
    """Return the seed of a stream; a painter without training mixes no noise."""
    if isinstance(stream, torch.Generator):
        return stream.initial_seed()
    raise TypeError("a painter without training takes plain streams")


def _side_by_side(
    painter: UntrainedPainter,
    labels: Sequence[NDArray[np.integer[Any]]],
    seeds: Sequence[int],
    exclude: Sequence[Collection[str]],
) -> list[Painted]:
    """Paint masks in as many threads as there are cores; the result of each depends on its seed alone."""
    threads = min(len(labels), torch.get_num_threads())
    if threads == 1:
        return [painter.paint_labels(*one) for one in zip(labels, seeds, exclude, strict=True)]
    first = painter.paint_labels(labels[0], seeds[0], exclude[0])  # it prepares what all use
    with ThreadPoolExecutor(threads) as pool:
        return [first, *pool.map(painter.paint_labels, labels[1:], seeds[1:], exclude[1:])]
