"""The short benchmark of generators: a run of a few steps, and its table beside the published figures."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest
import torch

FILE = Path(__file__).parents[1] / "benchmarks/generators.py"
TINY = {"channels": 128, "max_channels": 16, "latent": 16}


@pytest.fixture(scope="module")
def benchmark() -> ModuleType:
    spec = importlib.util.spec_from_file_location("generator_benchmark", FILE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look for it
    spec.loader.exec_module(module)
    return module


def test_a_short_run_prints_seconds_per_kimg_and_memory(
    benchmark: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    batch = {"cpu": {64: 2}}
    variants = {
        "stylegan2_ada_published": benchmark.Variant("stylegan2_ada", TINY, batch),
        "dcgan": benchmark.Variant("dcgan", {"generator_channels": 8, "discriminator_channels": 8}, batch),
        "cgan": benchmark.Variant("cgan", {"generator_channels": 8, "discriminator_channels": 8}, batch),
    }
    monkeypatch.setattr(benchmark, "VARIANTS", variants)
    rows = benchmark.short(torch.device("cpu"), ["float32"], 1e-3, [64])
    printed = capsys.readouterr().out.splitlines()
    assert printed[0].count("|") == printed[1].count("|") == len(benchmark.SHORT_HEAD) + 1
    assert [row.variant for row in rows] == ["stylegan2_ada_published"] * 2
    assert printed[-1] == "2 of 3 left out: 0.001 minutes are over"
    lines = [[cell.strip() for cell in line.strip("|").split("|")] for line in printed[2:-1]]
    for row, cells in zip(rows, lines, strict=True):
        assert float(cells[4].strip("*")) == pytest.approx(1e3 / row.rate, rel=0.01)
        assert float(cells[5]) > 0.05
        assert cells[6:10] == ["", "", "", ""]  # nothing is published for 64 px


def test_the_published_figures_stand_beside_the_own_ones(benchmark: ModuleType) -> None:
    row = benchmark.Row("stylegan2_ada_published", 256, 16, "bf16", True, 1000.0)
    row.seconds, row.shares, row.tiles, row.flops = {"plain": [0.16]}, {"plain": 1.0}, {"plain": 16}, {"plain": 10**11}
    row.memory = 4e9
    cells = list(benchmark.short_cells(row))
    assert cells[4:10] == ["**10.00**", "4.00", "20.84", "12.53", "5.0", "2.08 ×, 1.25 ×"]
