"""Two processes that share each batch learn what one learns with the whole; who cannot share is refused."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import pytest
import torch

from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.generators.canvas import NORMAL, Bernoulli, PartStream, fill, normal, uniform
from napari_organoid_synth.core.job import Control, Event, Finished, Progress, Started
from napari_organoid_synth.core.pairs.loading import add_pair
from napari_organoid_synth.core.project import Project
from napari_organoid_synth.core.recipe import Recipe
from napari_organoid_synth.core.registry import GENERATORS
from napari_organoid_synth.core.runs.run import Run
from napari_organoid_synth.core.simulators.simulate import em
from napari_organoid_synth.core.training.train import train

SMALL = {
    "flow": {"channels": 8, "max_channels": 8},
    "pix2pix": {"generator_channels": 8, "discriminator_channels": 8},
}
with_fabric = pytest.mark.skipif(find_spec("lightning_fabric") is None, reason="lightning-fabric is not installed")


def recipe_of(name: str, devices: int, steps: int = 3) -> Recipe:
    length = {"steps": steps, "batch": 4, "device": "cpu", "devices": devices, "threads": 1, "precision": "float32"}
    return Recipe.parse({"gan": {"name": name, **SMALL.get(name, {})}, "tiles": {"size": 64}, "train": length})


def learned(project: Project, recipe: Recipe, resume: bool = False) -> tuple[list[Event], dict[str, torch.Tensor]]:
    events = list(train(project, recipe, Control(), resume=resume))
    end = events[-1]
    assert isinstance(end, Finished)
    return events, Run(Path(end.result["folder"])).read()[1]


def share_apart(expected: dict[str, torch.Tensor], found: dict[str, torch.Tensor]) -> float:
    """Return the share of the weights that differ by more than a quarter of one of Adam's steps.

    Gradients are added up in another order, and where one is almost 0 Adam takes its last digit for a direction.
    """
    assert found.keys() == expected.keys()
    names = [name for name in expected if name.startswith("network/")]
    apart = torch.cat([(found[name].float() - expected[name].float()).abs().flatten() for name in names])
    return float((apart > 5e-5).float().mean())


@pytest.fixture
def project(tmp_path: Path) -> Project:
    made = Project(tmp_path / "project")
    for seed in range(3):
        add_pair(made, em(seed, 96))
    return made


@with_fabric
@pytest.mark.parametrize("name", ["flow", "pix2pix"])
def test_two_processes_learn_what_one_learns(name: str, project: Project) -> None:
    one_events, one = learned(project, recipe_of(name, 1))
    two_events, two = learned(project, recipe_of(name, 2))
    _, half = learned(project, recipe_of(name, 1).override("train.batch=2"))
    assert share_apart(one, two) < 0.03
    assert share_apart(one, half) > 0.1  # so it would be if the gradients were not averaged
    ends = [[e.stats for e in events if isinstance(e, Progress)][-1] for events in (one_events, two_events)]
    assert ends[0]["kernel_distance"] == pytest.approx(ends[1]["kernel_distance"], rel=1e-3)
    starts = [next(e for e in events if isinstance(e, Started)).info for events in (one_events, two_events)]
    assert starts[0]["tiles"] == starts[1]["tiles"]
    assert starts[1]["batch"] == 4


@with_fabric
def test_two_processes_resume_where_one_stopped(project: Project) -> None:
    _, whole = learned(project, recipe_of("flow", 1, 4))
    learned(project, recipe_of("flow", 1, 4).override("train.steps=2"))
    _, resumed = learned(project, recipe_of("flow", 2, 4), resume=True)
    assert share_apart(whole, resumed) < 0.03


def test_the_parts_of_a_stream_are_those_of_the_whole() -> None:
    def stream() -> torch.Generator:
        return torch.Generator().manual_seed(5)

    for draw in (normal, uniform):
        parts = [draw((2, 3), PartStream(stream(), part, 2)) for part in range(2)]
        assert torch.equal(torch.cat(parts), draw((4, 3), stream()))
    for numbers in (NORMAL, Bernoulli(0.3)):
        parts = [fill(torch.empty(2, 5), PartStream(stream(), part, 2), numbers) for part in range(2)]
        assert torch.equal(torch.cat(parts), fill(torch.empty(4, 5), stream(), numbers))


def test_who_looks_at_a_whole_batch_is_refused() -> None:
    for name in GENERATORS.names():
        if name in ("flow", "flow_joint", "pix2pix"):
            assert Recipe.parse({"gan": name, "train": {"devices": 2}}).train.devices == 2
        elif name != "analogy":
            with pytest.raises(UserError, match=rf"(?i){name} cannot be trained on 2 devices: .*(tiles|pools|codes)"):
                Recipe.parse({"gan": name, "train": {"devices": 2}})
    with pytest.raises(UserError, match="batch norm mixes"):
        Recipe.parse({"gan": {"name": "pix2pix", "norm": "batch"}, "train": {"devices": 2}})
    with pytest.raises(UserError, match=r"5 tiles per step cannot be shared evenly.*Set train.batch to 6"):
        Recipe.parse({"gan": "flow", "train": {"devices": 2, "batch": 5}})


def test_a_team_without_the_package_says_what_to_install(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "lightning_fabric", None)
    with pytest.raises(UserError, match=r"napari-organoid-synth\[fabric\]"):
        list(train(project, recipe_of("flow", 2), Control()))
