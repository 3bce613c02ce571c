"""Inner loops are compiled also where their machine code cannot be kept."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

from napari_organoid_synth.core.analogy.compiled import compiled


def test_code_without_a_file_is_compiled_each_time() -> None:
    names: dict[str, Any] = {}
    exec("def doubled(number):\n    return 2 * number\n", names)
    assert compiled(names["doubled"])(21) == 42


def test_importing_the_painter_does_not_import_numba() -> None:
    lines = "import sys, napari_organoid_synth.core.analogy.painter; print('numba' in sys.modules)"
    answer = subprocess.run([sys.executable, "-c", lines], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "False"
