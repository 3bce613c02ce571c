"""Public sample data in the window: ask, download behind a progress bar, open the first pairs."""

from __future__ import annotations

import threading

from qtpy.QtCore import QEventLoop, QTimer
from qtpy.QtWidgets import QApplication, QMessageBox, QProgressDialog

from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.layer_data import LayerData
from napari_organoid_synth.sample_data import SETS, PublicSet, download, download_size, layers_of, question
from napari_organoid_synth.widgets.forms.plain_text import plain

TITLE = "Download sample data"
POLL_MS = 50


def nuclei() -> list[LayerData]:
    """Open nuclei of the 2018 Data Science Bowl."""
    return open_set(SETS["nuclei"])


def orgasegment() -> list[LayerData]:
    """Open intestinal organoids of OrgaSegment."""
    return open_set(SETS["orgasegment"])


def human_mitosis() -> list[LayerData]:
    """Open one image of dividing human cells."""
    return open_set(SETS["human_mitosis"])


def open_set(chosen: PublicSet) -> list[LayerData]:
    """Return layers of a public set, after asking to download it if it is not in the cache.

    Raises
    ------
    UserError
        If the person does not agree or cancels, or the download fails.
    """
    from napari.utils.notifications import show_info

    if not chosen.is_cached:
        _ask_and_download(chosen)
    layers = layers_of(chosen)
    text = f"{chosen.title}: the whole set is in {chosen.folder}. Drop that folder in Pairs to train with it."
    show_info(plain(text))
    return layers


def _ask_and_download(chosen: PublicSet) -> None:
    size = download_size(chosen)
    parent = QApplication.activeWindow()
    yes, no = QMessageBox.StandardButton.Yes, QMessageBox.StandardButton.No
    if QMessageBox.question(parent, TITLE, question(chosen, size), yes | no, no) != yes:
        raise UserError("Nothing was downloaded.", "", "Open the sample again, or use one of the simulated samples.")
    dialog = QProgressDialog(f"Downloading {chosen.title}…", "Cancel", 0, size or 0, parent)
    dialog.setWindowTitle(TITLE)
    job = _Download(chosen)
    loop, timer = QEventLoop(), QTimer()

    def follow() -> None:
        job.canceled = job.canceled or dialog.wasCanceled()
        if not job.canceled:
            dialog.setValue(min(job.count, max(dialog.maximum() - 1, 0)))
        if not job.thread.is_alive():
            loop.quit()

    timer.timeout.connect(follow)
    timer.start(POLL_MS)
    job.thread.start()
    loop.exec()
    timer.stop()
    dialog.close()
    dialog.deleteLater()
    if job.error is not None:
        raise job.error
    if not job.finished:
        raise UserError("The download was canceled.", "", "Nothing was kept; open the sample again to restart it.")


class _Download:
    """A download in a thread, which the window polls."""

    def __init__(self, chosen: PublicSet) -> None:
        self.chosen = chosen
        self.count = 0  # bytes so far
        self.canceled = self.finished = False
        self.error: Exception | None = None
        self.thread = threading.Thread(target=self._run, daemon=True)

    def _run(self) -> None:
        try:
            self.finished = download(self.chosen, self._report)
        except Exception as error:
            self.error = error

    def _report(self, count: int) -> bool:
        self.count = count
        return not self.canceled
