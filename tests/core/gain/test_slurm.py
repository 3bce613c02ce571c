"""The script of ``docs/cluster.md``, run by dask-jobqueue as it stands there; ``sbatch`` and ``scancel`` stand in."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from tiny_gain import SETTINGS, make_project, strip

ROOT = Path(__file__).parents[3]
SBATCH = """#!/bin/sh
cp "$1" "jobs/$$.sh"
setsid sh "$1" > "jobs/$$.log" 2>&1 &
echo "$!" > "jobs/$!.pid"
echo "Submitted batch job $!"
"""
SCANCEL = """#!/bin/sh
for number in "$@"; do kill -- "-$number" 2> /dev/null; done
true
"""


@pytest.mark.slow
@pytest.mark.skipif(find_spec("dask_jobqueue") is None, reason="dask-jobqueue is not installed")
def test_one_command_does_a_comparison_with_jobs_of_slurm(tmp_path: Path) -> None:
    (script,) = re.findall(r"^```py\n(# slurm\.py.*?)^```", (ROOT / "docs/cluster.md").read_text(), re.M | re.S)
    (tmp_path / "slurm.py").write_text(script)
    programs = tmp_path / "bin"
    programs.mkdir()
    (tmp_path / "jobs").mkdir()
    command = f'#!/bin/sh\nexec "{sys.executable}" -m napari_organoid_synth "$@"\n'
    for name, text in {"sbatch": SBATCH, "scancel": SCANCEL, "organoid-synth": command}.items():
        (programs / name).write_text(text)
        (programs / name).chmod(0o755)
    project = make_project(tmp_path / "project", [strip(seed) for seed in range(2)])
    SETTINGS.replace(scheduler="", arms=("raw",)).to_file(tmp_path / "gain.yaml")
    environment = os.environ | {"PATH": f"{programs}:{os.environ['PATH']}", "OMP_NUM_THREADS": "1"}
    line = [sys.executable, "slurm.py", "2", "gain", str(project.path), "--recipe", "gain.yaml", "--json"]
    done = subprocess.run(line, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False, timeout=280)
    logs = "".join(path.read_text() for path in (tmp_path / "jobs").glob("*.log"))
    assert done.returncode == 0, done.stderr + logs
    assert json.loads(done.stdout)["tasks"] == {"total": 2, "done": 2, "failed": 0}
    jobs = list((tmp_path / "jobs").glob("*.sh"))
    assert len(jobs) == 2
    assert "#SBATCH -t 12:00:00" in jobs[0].read_text()
