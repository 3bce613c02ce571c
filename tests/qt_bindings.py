"""Where the two Qt bindings differ, through no doing of ours."""

from __future__ import annotations

import pytest
import qtpy

WORKER_FAILS = pytest.mark.qt_no_exception_capture if qtpy.PYSIDE6 else lambda test: test
"""Marks tests in which a worker of napari raises. napari 0.9.2 connects a function of two parameters to the signal of
that error, which passes a third: PyQt6 drops it, PySide6 raises a TypeError. Our own slot is called with both."""
