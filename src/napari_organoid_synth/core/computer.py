"""Hardware of this computer, found without torch, so that the window can use it."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import psutil


def cores() -> int:
    """Return the number of physical cores that this process may use."""
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(psutil.cpu_count(logical=False) or allowed, allowed)


def threads_for(number: int = 0) -> int:
    """Return a number of processor threads; for 0 as many as ``OMP_NUM_THREADS`` allows, else one for each core."""
    allowed = os.environ.get("OMP_NUM_THREADS", "")
    return number or (max(1, int(allowed)) if allowed.isdigit() else cores())


@cache
def has_graphics_card() -> bool:
    """Return whether torch finds a graphics card here, judged by its build and the driver."""
    if sys.platform == "darwin":
        return platform.machine() == "arm64"
    try:
        build = version("torch").partition("+")[2]
    except PackageNotFoundError:
        return False
    if build == "cpu" or (sys.platform == "win32" and not build):  # the package index has no CUDA build for Windows
        return False
    if os.environ.get("CUDA_VISIBLE_DEVICES", "all") in {"", "-1"}:
        return False
    if build.startswith("rocm"):
        return Path("/dev/kfd").exists()
    return Path("/proc/driver/nvidia/version").exists() or shutil.which("nvidia-smi") is not None


def on_graphics_card(device: str) -> bool:
    """Return whether a device of that name, such as ``"auto"`` or ``"cuda:1"``, is a graphics card."""
    return has_graphics_card() if device == "auto" else device != "cpu"


def graphics_cards() -> tuple[str, ...]:
    """Return the NVIDIA cards that this process may use, as ``CUDA_VISIBLE_DEVICES`` names them; empty without any."""
    if sys.platform == "darwin" or not has_graphics_card():
        return ()
    named = os.environ.get("CUDA_VISIBLE_DEVICES", "")
    if named:
        return tuple(name.strip() for name in named.split(",") if name.strip())
    return tuple(map(str, range(count_cards())))


def count_cards() -> int:
    """Count the NVIDIA cards that the driver knows."""
    known = len(list(Path("/proc/driver/nvidia/gpus").glob("*")))
    if known or shutil.which("nvidia-smi") is None:
        return known
    found = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, check=False, timeout=60)
    return sum(line.startswith("GPU ") for line in found.stdout.splitlines())


def cards_for(device: str) -> tuple[str, ...]:
    """Return the cards to deal out to several processes that compute on a device of that name.

    Several for ``"auto"`` and ``"cuda"`` alone: a name such as ``"cuda:1"`` is one card for all.
    """
    return graphics_cards() if device in ("auto", "cuda") else ()
