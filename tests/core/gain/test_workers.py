"""The workers of a comparison on this computer take orders from its own process alone."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from napari_organoid_synth.core import computer
from napari_organoid_synth.core.gain.settings import GainSettings
from napari_organoid_synth.core.gain.workers import open_workers
from napari_organoid_synth.core.job import Control

STRANGER = """
import sys
from distributed import Client
from distributed.security import Security
from pathlib import Path
address, mark, way = sys.argv[1:]
if way == "plain":
    address, security = address.replace("tls://", "tcp://"), None
else:
    security = Security.temporary()  # a certificate, but another one
try:
    Client(address, security=security, timeout=3).run_on_scheduler(lambda: Path(mark).touch())
except (OSError, TimeoutError) as error:
    print("refused:", type(error).__name__)
"""


def test_a_stranger_on_this_computer_is_refused(tmp_path: Path) -> None:
    with open_workers(tmp_path, GainSettings(threads=1), Control(), 1) as workers:
        client = workers.client  # type: ignore[attr-defined]
        address = client.scheduler.address
        assert address.startswith("tls://127.0.0.1:")
        assert client.submit(sum, [1, 2]).result(timeout=30) == 3  # the comparison itself is served
        strangers = [
            subprocess.Popen(
                [sys.executable, "-W", "ignore", "-c", STRANGER, address, str(tmp_path / "mark"), way],
                stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
            )
            for way in ("plain", "other")
        ]  # fmt: skip
        said = [stranger.communicate(timeout=60)[0] for stranger in strangers]
        assert all(words.startswith("refused: ") for words in said), said
        assert not (tmp_path / "mark").exists()
        listening = {
            connection.laddr.ip
            for process in (psutil.Process(), *psutil.Process().children(recursive=True))
            for connection in process.net_connections("inet")
            if connection.status == psutil.CONN_LISTEN
        }
        assert listening <= {"127.0.0.1"}


def test_each_worker_sees_one_graphics_card_in_turn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only the number of cards is faked; the environment is that of real processes."""
    monkeypatch.setattr(computer, "has_graphics_card", lambda: True)
    monkeypatch.setattr(computer, "count_cards", lambda: 2)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    with open_workers(tmp_path, GainSettings(threads=1), Control(), 3) as workers:
        client = workers.client  # type: ignore[attr-defined]
        assert workers.room == 3
        seen = client.run(lambda: (os.environ["CUDA_VISIBLE_DEVICES"], os.environ["OMP_NUM_THREADS"]))
        assert sorted(seen.values()) == [("0", "1"), ("0", "1"), ("1", "1")]
    with open_workers(tmp_path, GainSettings(threads=1, device="cpu"), Control(), 1) as workers:
        client = workers.client  # type: ignore[attr-defined]
        assert list(client.run(lambda: os.environ.get("CUDA_VISIBLE_DEVICES")).values()) == [None]
