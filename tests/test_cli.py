"""The command line as a script sees it: exit codes, standard output, standard error, speed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from napari_organoid_synth import __main__, cli
from napari_organoid_synth.cli.running import _stopped
from napari_organoid_synth.core.job import Event, Finished
from napari_organoid_synth.core.pairs.ome_tiff import write_pair
from napari_organoid_synth.core.project import Project
from napari_organoid_synth.core.simulators.simulate import em
from napari_organoid_synth.core.verbs import SHORT_VERBS
from terminal import result


def call(*arguments: object, code: int = 0) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "napari_organoid_synth", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == code, done.stderr
    return done


def test_help_answers_in_half_a_second() -> None:
    resource = pytest.importorskip("resource", reason="processor time of children is a POSIX matter")

    def used() -> float:
        children = resource.getrusage(resource.RUSAGE_CHILDREN)
        return float(children.ru_utime + children.ru_stime)  # not the wall clock, which others on the machine stretch

    before = used()
    assert "generate" in call("--help").stdout
    assert used() - before < 0.5


def test_help_and_lists_import_nothing_heavy() -> None:
    script = """
import sys
from napari_organoid_synth.cli import app
for arguments in (["--help"], ["train", "--help"], ["list", "generators"]):
    try:
        app(arguments)
    except SystemExit as stop:
        assert stop.code == 0, stop
heavy = {"torch", "napari", "qtpy", "skimage", "tifffile", "monai", "ome_types"} & set(sys.modules)
assert not heavy, heavy
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("family", "name"),
    [
        ("generators", "pix2pix"),
        ("generators", "dcgan"),
        ("metrics", "nearest"),
        ("extractors", "encoder"),
        ("segmenters", "unet"),
        ("segmenters", "multiscale_adversarial"),
        ("segmenters", "stardist"),
    ],
)
def test_lists_in_words_and_as_json(family: str, name: str) -> None:
    assert name in call("list", family).stdout
    described = result(call("list", family, "--json").stdout)["members"]
    assert described[name]["summary"]


def test_the_settings_of_a_generator_are_listed_with_default_and_bounds() -> None:
    described = result(call("list", "generators", "--json").stdout)["members"]
    rate = described["pix2pix"]["settings"]["learning_rate"]
    assert rate["default"] == 2e-4
    assert rate["exclusiveMinimum"] == 0
    assert rate["description"]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["list", "gardens"], "Expected one of: generators, metrics, extractors, segmenters, studies."),
        (["simulate", "rocks", "x"], "There is no simulator 'rocks'."),
        (["train", "PROJECT", "--set", "train.stepz=1"], "There is no setting 'train.stepz'."),
        (["train", "PROJECT", "--gan", "nogan"], "There is no 'nogan' among the generators."),
        (["train", "PROJECT", "--resume", "nothing"], "has no trained run."),
        (["control", "PROJECT", "pause"], "No such job is running."),
        (["report", "PROJECT", "--output", "PROJECT"], " is a folder. Expected a file, or nothing yet."),
        (
            ["generate", "PROJECT/mistyped"],
            "mistyped. Expected a project, made with 'organoid-synth pair'",
        ),
    ],
)
def test_what_can_be_mended_is_one_sentence_and_exit_code_1(
    arguments: list[str], sentence: str, tmp_path: Path
) -> None:
    Project(tmp_path / "p")
    done = call(*[argument.replace("PROJECT", str(tmp_path / "p")) for argument in arguments], code=1)
    assert not list(tmp_path.rglob("mistyped"))
    assert done.stdout == ""
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr


def test_wrong_use_is_exit_code_2() -> None:
    assert "No such option" in call("train", "x", "--colour", code=2).stderr


VERBS = [
    "train", "pipeline", "gain", "generate", "score", "try", "map", "fill", "export", "segment", "adapt", "sketch",
    "predict", "annotate", "study", "list", "control", "blind", "demo", "window", "pair", "samples", "simulate", "runs",
    "share", "import-model", "report",
]  # fmt: skip
NOTHING_TO_SET = {"list", "control", "window"}


def test_every_verb_gives_json_and_takes_settings() -> None:
    listed = [line.split()[0] for line in call("--help").stdout.split("Commands:")[1].splitlines() if line.strip()]
    assert listed == VERBS
    script = """
import sys
from napari_organoid_synth.cli import app
for verb in sys.argv[1:]:
    print("VERB", verb)
    try:
        app([verb, "--help"])
    except SystemExit as stop:
        assert stop.code == 0, stop
"""
    done = subprocess.run([sys.executable, "-c", script, *VERBS], capture_output=True, text=True, check=True)
    for text in done.stdout.split("VERB ")[1:]:
        verb = text.split()[0]
        assert "--json" in text, verb
        assert ("--set" in text) == (verb not in NOTHING_TO_SET), verb
    assert done.stderr == ""


@pytest.mark.parametrize("verb", list(SHORT_VERBS))
def test_each_setting_of_a_short_verb_is_an_option(verb: str) -> None:
    text = " ".join(call(verb, "--help").stdout.split())
    for name, field in SHORT_VERBS[verb].settings_class().model_fields.items():
        assert f"--{name.replace('_', '-')} " in text
        assert str(field.description) in text


def test_file_set_and_options_say_the_same_and_the_option_wins(tmp_path: Path) -> None:
    (tmp_path / "recipe.yaml").write_text("number: 4\nsize: 64\nseed: 3\n")
    for arguments, names in (
        (["--number", 2, "--size", 64], ["00000", "00001"]),
        (["--set", "number=1", "--set", "size=64", "--set", "seed=7"], ["00007"]),
        (["--recipe", tmp_path / "recipe.yaml", "--set", "number=3", "--number", 1], ["00003"]),
        (["--recipe", tmp_path / "recipe.yaml", "--set", "number=1", "--seed", 0], ["00000"]),
    ):
        folder = tmp_path / "-".join(names)
        made = result(call("simulate", "em", folder, *arguments, "--json").stdout)
        ends = (".ome.tif", "_labels.ome.tif")
        files = [str(folder / f"em_{name}{end}") for name in names for end in ends]
        assert made == {"folder": str(folder), "pairs": len(names), "files": files}
        assert sorted(path.name for path in folder.glob("*[0-9].ome.tif")) == [f"em_{name}.ome.tif" for name in names]
        for path in folder.iterdir():
            path.unlink()
    given = ["--set", f"images={folder.parent / 'real'}", "--set", "test=0.5"]
    call("simulate", "em", tmp_path / "real", "--number", 2, "--size", 64)
    by_set = result(call("pair", tmp_path / "p", *given, "--json").stdout)
    by_option = result(call("pair", tmp_path / "p", "--images", tmp_path / "real", "--test", 0.5, "--json").stdout)
    assert by_set == by_option
    assert sorted(entry["split"] for entry in by_set["table"]["entries"]) == ["test", "train"]


def test_a_population_is_simulated_as_it_is_or_fitted_to_masks(tmp_path: Path) -> None:
    plain = result(call("simulate", "population", tmp_path / "a", "--number", 3, "--size", 128, "--json").stdout)
    assert (plain["folder"], plain["pairs"], len(plain["files"])) == (str(tmp_path / "a"), 3, 6)
    arguments = ["--masks", tmp_path / "a", "--number", 2, "--size", 96, "--json"]
    fitted = result(call("simulate", "population", tmp_path / "b", *arguments).stdout)
    assert (fitted["pairs"], fitted["fitted"]["field"]) == (2, 128)
    assert fitted["fitted"]["mask_kind"] == "instances"
    low, high = fitted["fitted"]["radius"]
    assert 4 < low < high < 13  # 6 to 12 drawn, some of them partly behind others
    assert len(list((tmp_path / "b").glob("population_0000[01].ome.tif"))) == 2
    assert "'em' cannot be fitted to masks." in call("simulate", "em", "x", "--masks", tmp_path / "a", code=1).stderr
    assert "There is no folder" in call("simulate", "population", "x", "--masks", tmp_path / "no", code=1).stderr


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        (["simulate", "em", "x", "--size", "10"], 2, "Invalid value for '--size'"),
        (["simulate", "em", "x", "--set", "size=10"], 1, "Setting 'size' is 10. Input should be greater than or equal"),
        (["simulate", "em", "x", "--set", "sise=10"], 1, "There is no setting 'sise'."),
        (["pair", "p", "--kind", "stars"], 1, "Setting 'kind' is 'stars'. Input should be 'binary', 'classes' or"),
        (["samples", "p", "--set", "undo=perhaps"], 1, "Setting 'undo' is 'perhaps'."),
        (["samples"], 2, "Missing argument 'project'."),
        (["nonsense"], 2, "No such command 'nonsense'."),
        (["control", "p", "halt"], 1, "'halt' is not a request. Expected pause, resume or cancel."),
    ],
)
def test_exit_codes(arguments: list[str], code: int, sentence: str, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "napari_organoid_synth", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (code, "")
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr


STOPPED = {
    "schema": 1,
    "command": "score",
    "ok": False,
    "reason": "canceled",
    "scored": 3,
    "error": {"found": "Stopped; everything so far is saved.", "expected": "", "todo": ""},
}


def test_a_stopped_job_is_exit_code_130_and_still_gives_its_result(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def score(*_: object) -> Iterator[Event]:
        yield Finished(3, "canceled", {"scored": 3})

    Project(tmp_path / "p")
    monkeypatch.setattr("napari_organoid_synth.core.scores.score.score", score)
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    for arguments, out in ((["--json"], STOPPED), ([], None)):
        monkeypatch.setattr(sys, "argv", ["organoid-synth", "score", str(tmp_path / "p"), *arguments])
        with pytest.raises(SystemExit) as stop:
            cli.main()
        said = capsys.readouterr()
        assert stop.value.code == 130
        assert said.err == "Stopped; everything so far is saved.\n"
        assert (json.loads(said.out) if said.out else None) == out


def test_a_stopped_command_says_what_is_kept() -> None:
    assert [_stopped(verb) for verb in ("train", "demo", "export", "report")] == [
        *2 * ["Stopped; everything so far is saved."], *2 * ["Stopped; nothing was written."]
    ]  # fmt: skip


def test_pairs_are_matched_shown_and_split(tmp_path: Path) -> None:
    call("simulate", "tissue", tmp_path / "real", "--number", 4, "--size", 128)
    found = result(call("pair", tmp_path / "p", "--images", tmp_path / "real", "--test", 0.25, "--json").stdout)
    assert [entry["status"] for entry in found["table"]["entries"]] == ["matched"] * 4
    assert sorted(entry["split"] for entry in found["table"]["entries"]) == ["test", "train", "train", "train"]
    shown = call("pair", tmp_path / "p").stdout
    assert shown.splitlines()[4].startswith("4 matched; instances")
    assert "; 3 to train, 1 to test." in shown
    assert "Used at 50 % of their size." in call("pair", tmp_path / "p", "--scale", 0.5).stdout
    assert "Used at 50 % of their size." in call("pair", tmp_path / "p").stdout


def test_a_stopped_training_goes_on_although_it_was_asked_to_stop(tmp_path: Path) -> None:
    call("simulate", "em", tmp_path / "real", "--number", 2, "--size", 64)
    call("pair", tmp_path / "p", "--images", tmp_path / "real")
    small = "gan=pix2pix tiles.size=64 train.batch=1 train.threads=1 train.precision=float32 gan.generator_channels=8"
    sets = [part for item in small.split() for part in ("--set", item)]
    first = result(call("train", tmp_path / "p", *sets, "--set", "train.steps=2", "--json").stdout)
    assert (first["reason"], first["steps"]) == ("completed", 2)
    (tmp_path / "p" / "runs" / first["run"] / "control").write_text("cancel")
    more = result(call("train", tmp_path / "p", "--resume", first["run"], "--set", "train.steps=4", "--json").stdout)
    assert (more["reason"], more["steps"], more["run"]) == ("completed", 4, first["run"])


def test_samples_accepts_the_best_and_diverse_ones(tmp_path: Path) -> None:
    import numpy as np

    from napari_organoid_synth.core.pairs.pair import SamplePair
    from napari_organoid_synth.core.samples.store import SampleStore

    with SampleStore(Project(tmp_path / "p").samples_path) as store:
        for number, grey in enumerate([20, 20, 20, 200, 20, 20, 20, 20]):
            image = np.full((1, 64, 64), grey, np.uint8)
            image[0, :2], image[0, -2:] = 0, 255
            id = store.add(SamplePair(f"s{number}", image, np.ones((64, 64), np.int32)))
            store.rate(id, {"realism": 1 - number / 8})
    accepted = result(call("samples", tmp_path / "p", "--accept", "diverse:2", "--json").stdout)
    assert [accepted[verdict] for verdict in ("new", "accepted", "rejected")] == [6, 2, 0]
    assert accepted["changed"] == ["s0", "s3"]
    with SampleStore(tmp_path / "p" / "samples.sqlite") as store:
        assert store.ids("accepted") == ["s0", "s3"]  # the most realistic, and the one that looks otherwise
        store.undo()
        assert store.counts()["new"] == 8
    call("samples", tmp_path / "p", "--accept", "best:2")
    with SampleStore(tmp_path / "p" / "samples.sqlite") as store:
        assert store.ids("accepted") == ["s0", "s1"]


def test_the_report_says_where_it_is_and_leaves_its_events_in_a_job(tmp_path: Path) -> None:
    from napari_organoid_synth.core.job import JobFolder, Progress

    project = Project(tmp_path / "p")
    made = result(call("report", project.path, "--json").stdout)
    assert made["report"] == str(project.path / "report.html")
    assert made["bytes"] == (project.path / "report.html").stat().st_size
    job = project.job("report")
    call("report", project.path, "--output", tmp_path / "r.html", "--job", job.path)
    events, _ = JobFolder(job.path).read_events()
    assert [event.note for event in events if isinstance(event, Progress)][:2] == ["real data", "trainings"]
    assert isinstance(events[-1], Finished)
    assert events[-1].result["report"] == str(tmp_path / "r.html")


def test_ctrl_c_while_libraries_are_loading_is_a_word(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "napari_organoid_synth.cli", Stopping("napari_organoid_synth.cli"))
    with pytest.raises(SystemExit) as stop:
        __main__.main()
    assert stop.value.code == 130
    assert capsys.readouterr().err == "Stopped.\n"


class Stopping(ModuleType):
    """A module in whose import Ctrl-C is pressed."""

    def __getattr__(self, name: str) -> None:
        raise KeyboardInterrupt


@pytest.mark.parametrize("encoding", ["ascii", "cp1252"])
def test_a_terminal_that_is_not_utf8_shows_what_it_can(encoding: str, tmp_path: Path) -> None:
    write_pair(tmp_path / "pairs", em(0, 64))
    command = [sys.executable, "-m", "napari_organoid_synth", "pair", tmp_path / "p", "--images", tmp_path / "pairs"]
    environment = os.environ | {"PYTHONIOENCODING": encoding, "PYTHONUTF8": "0"}
    done = subprocess.run(command, capture_output=True, env=environment, check=False)
    assert done.returncode == 0, done.stderr
    assert b"? 1 image." in done.stdout


def test_a_folder_that_is_gone_is_one_sentence(tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    command = [sys.executable, "-c", f"import os; os.rmdir({str(gone)!r}); from napari_organoid_synth.cli import main; "
               "import sys; sys.argv[1:] = ['samples', 'p']; main()"]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, cwd=gone, check=False)
    assert done.returncode == 1
    assert done.stderr == "organoid-synth: No such file or directory\n"
