"""Sample data: three simulators that are built in, and public data sets that can be downloaded.

Nothing is downloaded unless a person or a script asks for it. Each public set is identified by the SHA-256 of its file;
the file is kept in the cache folder of the platform and not downloaded again.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from napari_organoid_synth.core.archives import check_archive
from napari_organoid_synth.core.errors import DiskFull, UserError, is_disk_full
from napari_organoid_synth.core.pairs.pair import SamplePair, Source
from napari_organoid_synth.layer_data import LayerData, pair_layers

CHUNK_BYTES = 1 << 18
TIMEOUT = 20.0  # s
MAX_SHOWN = 3
"""Pairs of a set that become layers; all of them are in the folder."""


@dataclass(frozen=True)
class PublicSet:
    """A public data set in one file.

    Parameters
    ----------
    key, title : str
        Name of its cache folder, and for people.
    url : str
        Of the file, a zip archive or an image.
    sha256 : str
        Of the file.
    licence, source : str
        For people, before they agree to the download.
    images, masks : str
        Patterns below the unpacked folder, in the same order; ``masks`` may be empty.
    """

    key: str
    title: str
    url: str
    sha256: str
    licence: str
    source: str
    images: str
    masks: str = ""

    @property
    def file_name(self) -> str:
        """Name of the file."""
        return Path(urlsplit(self.url).path).name

    @property
    def host(self) -> str:
        """Computer that offers the file."""
        return urlsplit(self.url).netloc

    @property
    def folder(self) -> Path:
        """Folder of the file and of what is unpacked from it."""
        return cache_folder() / self.key

    @property
    def is_cached(self) -> bool:
        """Whether it was downloaded before."""
        return (self.folder / self.file_name).exists()


SETS = {
    one.key: one
    for one in (
        PublicSet(
            key="nuclei",
            title="Nuclei in fluorescence with instance masks",
            url="https://github.com/stardist/stardist/releases/download/0.1.0/dsb2018.zip",
            sha256="e44921950edce378063aa4457e625581ba35b4c2dbd9a07c19d48900129f386f",
            licence="CC0 (BBBC038)",
            source="2018 Data Science Bowl, Caicedo et al. 2019, doi 10.1038/s41592-019-0612-7; subset by StarDist",
            images="train/images/*.tif",
            masks="train/masks/*.tif",
        ),
        PublicSet(
            key="orgasegment",
            title="Intestinal organoids in bright field with instance masks",
            url="https://zenodo.org/records/10278229/files/OrganoidBasic_v20211206.zip",
            sha256="d067124d734108e46e18f65daaf17c89cb0a40bdacc6f6031815a6839e472798",
            licence="as stated at zenodo.org/records/10278229",
            source="OrgaSegment, doi 10.1038/s42003-024-05966-4",
            images="train/*_img.jpg",
            masks="train/*_masks_organoid.png",
        ),
        PublicSet(
            key="human_mitosis",
            title="Human cells in mitosis, without masks",
            url="https://gitlab.com/scikit-image/data/-/raw/2cdc5ce89b334d28f06a58c9f0ca21aa6992a5ba/"
            "AS_09125_050116030001_D03f00d0.tif",
            sha256="2751ba667c4067c5d30817cff004aa06f6f6287f1cdbb5b8c9c6a500308cb456",
            licence="CC0",
            source="Moffat et al. 2006, doi 10.1016/j.cell.2006.01.040; from scikit-image",
            images="*.tif",
        ),
    )
}


def organoid_brightfield() -> list[LayerData]:
    """Simulate organoids in bright field."""
    return _simulated("organoid_brightfield")


def em() -> list[LayerData]:
    """Simulate an electron micrograph with membranes and mitochondria."""
    return _simulated("em")


def tissue() -> list[LayerData]:
    """Simulate nuclei of a tissue, some of them touching."""
    return _simulated("tissue")


def _simulated(name: str) -> list[LayerData]:
    from napari_organoid_synth.core.simulators.simulate import SIMULATORS

    return pair_layers(SIMULATORS[name](seed=1, size=512))


def layers_of(chosen: PublicSet) -> list[LayerData]:
    """Return the first pairs of a downloaded set as layers; images alone where it has no masks.

    Raises
    ------
    UserError
        If its folder does not contain the files of the set.
    """
    from napari_organoid_synth.core.pairs.ome_tiff import read_image, read_labels

    images = sorted(chosen.folder.rglob(chosen.images))
    masks = sorted(chosen.folder.rglob(chosen.masks)) if chosen.masks else []
    if not images or (chosen.masks and len(images) != len(masks)):
        raise UserError(
            f"{chosen.folder} contains {len(images)} images and {len(masks)} masks.",
            "Expected the same number of both.",
            "Delete that folder and open the sample again.",
        )
    layers: list[LayerData] = []
    for number, path in enumerate(images[:MAX_SHOWN]):
        image, info = read_image(path)
        if not masks:
            layers.append((image[0] if len(image) == 1 else image, {"name": path.stem}, "image"))
            continue
        pair = SamplePair(
            name=path.stem,
            image=image,
            labels=read_labels(masks[number]),
            mask_kind="instances",
            pixel_size=info.pixel_size,
            channel_names=info.channel_names,
            source=Source("real", (str(path), str(masks[number])), {"licence": chosen.licence, "url": chosen.url}),
        )
        layers += pair_layers(pair)
    return layers


# --- download -------------------------------------------------------------------------------------------------------


def cache_folder() -> Path:
    """Return the folder of downloaded sets, by the custom of the platform."""
    import pooch

    return Path(pooch.os_cache("napari-organoid-synth"))


def download_size(chosen: PublicSet) -> int | None:
    """Ask the server for the size of the file.

    Returns
    -------
    int or None
        Bytes; None if the server does not say.

    Raises
    ------
    UserError
        If the server cannot be reached.
    """
    from urllib.request import Request, urlopen

    try:
        with urlopen(Request(chosen.url, method="HEAD"), timeout=TIMEOUT) as response:
            length = response.headers.get("Content-Length")
    except OSError as error:
        raise _unreachable(chosen, error) from None
    return int(length) if length else None


def question(chosen: PublicSet, size: int | None) -> str:
    """Return the question before a download: size (bytes), source, licence, place."""
    amount = f"{size / 1e6:.1f} MB" if size else "a file of unknown size"
    return (
        f"Download {amount} from {chosen.host}?\n\n{chosen.title}.\n{chosen.source}.\n"
        f"Licence: {chosen.licence}.\n\nThe file is verified (SHA-256) and kept in {chosen.folder}."
    )


def download(chosen: PublicSet, report: Callable[[int], bool] = lambda count: True) -> bool:
    """Download, verify and unpack a set into its folder; a set in the cache is only verified.

    Parameters
    ----------
    chosen : PublicSet
        One of `SETS`.
    report : callable
        Called with the bytes so far; returns whether to continue.

    Returns
    -------
    bool
        False if ``report`` ended the download; nothing is kept then.

    Raises
    ------
    UserError
        If the connection fails, the disk is full, or the bytes are not those expected.
    """
    import pooch

    fetch = pooch.HTTPDownloader(progressbar=_Progress(report), chunk_size=CHUNK_BYTES, timeout=TIMEOUT)
    unpack = _unpack if chosen.file_name.endswith(".zip") else None
    try:
        pooch.retrieve(chosen.url, chosen.sha256, chosen.file_name, chosen.folder, processor=unpack, downloader=fetch)
    except _Canceled:
        return False
    except UserError:
        raise
    except OSError as error:
        if is_disk_full(error):
            raise DiskFull(chosen.folder) from None
        raise _unreachable(chosen, error) from None
    except ValueError as error:
        raise UserError(
            f"{chosen.file_name} is not the expected file: {error}",
            f"Expected SHA-256 {chosen.sha256[:12]}….",
            "It was damaged during the download or changed at its source; nothing was kept. Try again later.",
        ) from None
    return True


def _unpack(file: str, action: str, pup: Any) -> Any:
    """Unpack an archive beside itself, after a look into it."""
    import pooch

    check_archive(Path(file))
    return pooch.Unzip(extract_dir=".")(file, action, pup)


class _Canceled(Exception):
    """Raised when the person ended the download."""


class _Progress:
    """Progress bar for pooch that reports the bytes so far and can end the download."""

    total = 0

    def __init__(self, report: Callable[[int], bool]) -> None:
        self._report, self._count = report, 0

    def update(self, count: int) -> None:
        self._count += count
        if not self._report(min(self._count, self.total or self._count)):
            raise _Canceled

    def reset(self) -> None:
        self._count = 0

    def close(self) -> None: ...


def _unreachable(chosen: PublicSet, error: Any) -> UserError:
    return UserError(
        f"{chosen.host} cannot be reached ({error}).",
        "Expected a connection to the internet.",
        "Connect and try again, or use the simulated samples, which need no connection.",
    )
