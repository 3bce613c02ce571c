"""Compile inner loops with numba, and keep the machine code where the disk allows it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

Function = TypeVar("Function", bound=Callable[..., Any])


def compiled(function: Function) -> Function:
    """Compile a function of numbers and arrays at its first call; other threads run meanwhile.

    The machine code is kept beside the file, or in the user's cache folder where the installation is read-only. Where
    neither can be written it is compiled once in each process.
    """
    import numba

    options = {"nogil": True, "fastmath": True, "boundscheck": False}
    try:
        made: Function = numba.njit(cache=True, **options)(function)
    except (RuntimeError, OSError):  # no folder that can be written
        made = numba.njit(**options)(function)
    return made
