"""Sample data: three simulators that are built in, and real public sets that are downloaded when asked for.

A real set is listed only with the SHA-256 of its file. Nothing is fetched before a person has read how much comes from
where and has agreed; what was fetched is checked, kept in the platform's cache folder and not fetched again.
"""

from __future__ import annotations

import hashlib
import threading
import urllib.error
import urllib.request
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.pairs.pair import SamplePair, Source
from napari_organoid_synth.widgets.shared.reader import LayerData, pair_layers

CHUNK = 1 << 18
TIMEOUT = 20.0
SHOWN = 3
"""Pairs of a set that become layers; all of them lie in the folder that the notification names."""


@dataclass(frozen=True)
class PublicSet:
    """A public data set in one file.

    Parameters
    ----------
    key, title : str
    url : str
    sha256 : str
        Of the file behind the URL.
    licence, source : str
        What a person should read before agreeing.
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
        """Name of the file behind the URL."""
        return Path(urlsplit(self.url).path).name


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
    """A simulated bright-field field of organoids."""
    return _simulated("organoid_brightfield")


def em() -> list[LayerData]:
    """A simulated electron micrograph with membranes and mitochondria."""
    return _simulated("em")


def tissue() -> list[LayerData]:
    """Simulated nuclei of a tissue, some touching."""
    return _simulated("tissue")


def nuclei() -> list[LayerData]:
    """Nuclei of the 2018 Data Science Bowl."""
    return _downloaded(SETS["nuclei"])


def orgasegment() -> list[LayerData]:
    """Intestinal organoids of OrgaSegment."""
    return _downloaded(SETS["orgasegment"])


def human_mitosis() -> list[LayerData]:
    """One image of dividing human cells."""
    return _downloaded(SETS["human_mitosis"])


def _simulated(name: str) -> list[LayerData]:
    from napari_organoid_synth.core.simulators import simulate

    pair: SamplePair = getattr(simulate, name)(seed=1, size=512)
    return pair_layers(pair)


def _downloaded(chosen: PublicSet) -> list[LayerData]:
    """Layers of a public set, after asking where it is not in the cache."""
    folder = cache_folder() / chosen.key
    if not (folder / "complete").exists():
        _fetch_with_question(chosen, folder)
    layers = layers_of(chosen, folder)
    from napari.utils.notifications import show_info

    show_info(f"{chosen.title}: the whole set lies in {folder}. Drop that folder on the Pairs dock to train with it.")
    return layers


def layers_of(chosen: PublicSet, folder: Path) -> list[LayerData]:
    """The first pairs of an unpacked set as layers; only images where it has no masks.

    Raises
    ------
    UserError
        If the folder does not hold what the set should.
    """
    from napari_organoid_synth.core.pairs.ome_tiff import read_image, read_labels

    images = sorted(folder.rglob(chosen.images))
    masks = sorted(folder.rglob(chosen.masks)) if chosen.masks else []
    if not images or (chosen.masks and len(images) != len(masks)):
        raise UserError(
            f"{folder} holds {len(images)} images and {len(masks)} masks.",
            "Expected as many of both.",
            "Delete that folder and open the sample again.",
        )
    layers: list[LayerData] = []
    for number, path in enumerate(images[:SHOWN]):
        image, info = read_image(path)
        if not masks:
            layers.append((image[0] if len(image) == 1 else image, {"name": path.stem}, "image"))
            continue
        labels = read_labels(masks[number])
        layers += pair_layers(
            SamplePair(
                name=path.stem,
                image=image,
                labels=labels,
                mask_kind="instances",
                class_names=("object",),
                pixel_size=info.pixel_size,
                channel_names=info.channel_names,
                source=Source("real", (str(path), str(masks[number])), {"licence": chosen.licence, "url": chosen.url}),
            )
        )
    return layers


# --- download -------------------------------------------------------------------------------------------------------


def cache_folder() -> Path:
    """Where downloaded sets are kept, by the platform's custom."""
    from qtpy.QtCore import QStandardPaths

    place = QStandardPaths.StandardLocation.GenericCacheLocation
    return Path(QStandardPaths.writableLocation(place)) / "napari-organoid-synth"


class Download:
    """One file over the network: first its size, then, when wanted, its bytes.

    Parameters
    ----------
    chosen : PublicSet

    Raises
    ------
    UserError
        If the server cannot be reached.
    """

    def __init__(self, chosen: PublicSet) -> None:
        self.chosen = chosen
        request = urllib.request.Request(chosen.url, headers={"User-Agent": "napari-organoid-synth"})
        try:
            self._response = urllib.request.urlopen(request, timeout=TIMEOUT)
        except (urllib.error.URLError, OSError) as error:
            raise self._offline(error) from None
        length = self._response.headers.get("Content-Length")
        self.size = int(length) if length else None
        """Bytes to come, or None where the server does not say."""

    def question(self) -> str:
        """What a person should know before agreeing."""
        size = f"{self.size / 1e6:.1f} MB" if self.size else "a file of unknown size"
        host = urlsplit(self.chosen.url).netloc or "this computer"
        return (
            f"Download {size} from {host}?\n\n{self.chosen.title}.\n{self.chosen.source}.\n"
            f"Licence: {self.chosen.licence}.\n\nThe file is checked (SHA-256) and kept in {cache_folder()}."
        )

    def to_folder(self, folder: Path, report: Callable[[int], bool]) -> bool:
        """Fetch, check and unpack into ``folder``.

        Parameters
        ----------
        folder : Path
            Gets a file ``complete`` at the end; without it nothing there counts.
        report : callable
            Told the bytes so far; returns whether to go on.

        Returns
        -------
        bool
            False when ``report`` said stop; then nothing is kept.

        Raises
        ------
        UserError
            If the connection breaks, the disk is full, or the bytes are not those expected.
        """
        folder.mkdir(parents=True, exist_ok=True)
        beside = folder / f".{self.chosen.file_name}.part"
        digest, count = hashlib.sha256(), 0
        try:
            with beside.open("wb") as stream, self._response as response:
                while chunk := response.read(CHUNK):
                    stream.write(chunk)
                    digest.update(chunk)
                    count += len(chunk)
                    if not report(count):
                        return False
            if digest.hexdigest() != self.chosen.sha256:
                raise UserError(
                    f"{self.chosen.file_name} arrived with {count} bytes and SHA-256 {digest.hexdigest()[:12]}….",
                    f"Expected {self.chosen.sha256[:12]}….",
                    "The file was damaged on its way or changed at its source; nothing was kept. Try again later.",
                )
            _unpack(beside, folder / self.chosen.file_name)
            (folder / "complete").write_text(f"{self.chosen.url}\n{self.chosen.sha256}\n{self.chosen.licence}\n")
        except UserError:
            raise
        except zipfile.BadZipFile as error:
            raise UserError(f"{self.chosen.file_name} cannot be unpacked: {error}.") from None
        except OSError as error:
            raise self._offline(error) from None
        finally:
            beside.unlink(missing_ok=True)
        return True

    def close(self) -> None:
        """Fetch nothing."""
        self._response.close()

    def _offline(self, error: Exception) -> UserError:
        return UserError(
            f"{urlsplit(self.chosen.url).netloc or self.chosen.url} cannot be reached ({error}).",
            "Expected a connection to the internet.",
            "Connect and try again, or use the simulated samples, which need none.",
        )


def _unpack(source: Path, target: Path) -> None:
    """Unpack a zip beside its target, refusing entries that would land elsewhere; other files are only renamed."""
    if target.suffix != ".zip":
        source.replace(target)
        return
    folder = target.parent.resolve()
    with zipfile.ZipFile(source) as archive:
        for entry in archive.infolist():
            place = (folder / entry.filename).resolve()
            if not place.is_relative_to(folder):
                raise UserError(
                    f"{target.name} holds the entry {entry.filename}.", "Expected entries below its folder."
                )
        archive.extractall(folder)


def _fetch_with_question(chosen: PublicSet, folder: Path) -> None:
    """Ask, then fetch in a thread behind a progress dialog that can be cancelled."""
    from qtpy.QtCore import QEventLoop, QTimer
    from qtpy.QtWidgets import QApplication, QMessageBox, QProgressDialog

    parent = QApplication.activeWindow()
    download = Download(chosen)
    yes, no = QMessageBox.StandardButton.Yes, QMessageBox.StandardButton.No
    if QMessageBox.question(parent, "Download sample data", download.question(), yes | no, no) != yes:
        download.close()
        raise UserError("Nothing was downloaded.", "", "Open the sample again, or use one of the simulated samples.")
    state: dict[str, Any] = {"bytes": 0, "go": True, "error": None}

    def report(count: int) -> bool:
        state["bytes"] = count
        return bool(state["go"])

    def work() -> None:
        try:
            state["done"] = download.to_folder(folder, report)
        except Exception as error:
            state["error"] = error

    dialog = QProgressDialog(f"Downloading {chosen.title}…", "Cancel", 0, download.size or 0, parent)
    dialog.setWindowTitle("Download sample data")
    thread, loop, timer = threading.Thread(target=work, daemon=True), QEventLoop(), QTimer()

    def look() -> None:
        state["go"] = not dialog.wasCanceled()
        if not dialog.wasCanceled():
            dialog.setValue(min(state["bytes"], max(dialog.maximum() - 1, 0)))
        if not thread.is_alive():
            loop.quit()

    timer.timeout.connect(look)
    timer.start(50)
    thread.start()
    loop.exec()
    timer.stop()
    dialog.close()
    dialog.deleteLater()
    if state["error"] is not None:
        raise state["error"]
    if not state.get("done"):
        raise UserError("The download was cancelled.", "", "Nothing was kept; open the sample again to start anew.")
