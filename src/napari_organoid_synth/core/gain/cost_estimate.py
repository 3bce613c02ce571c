"""Number and duration of the trainings of a comparison, before it runs; loads no network."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from napari_organoid_synth.core.computer import cards_for, cores, on_graphics_card, threads_for
from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.gain.results import ArmRecord
from napari_organoid_synth.core.gain.settings import HERE, GainSettings
from napari_organoid_synth.core.gain.storage import RESULTS, read_result
from napari_organoid_synth.core.gain.tasks import RESULT, SHARED, GeneratorTask, read_record
from napari_organoid_synth.core.job import JobFolder, Progress
from napari_organoid_synth.core.project import Project, by_name
from napari_organoid_synth.core.recipe import Recipe
from napari_organoid_synth.core.segmentation.arms import RAW, data_of, has_ratio, needs_generator, trained_arms

NIGHT_SECONDS = 8 * 3600.0
ROUND_STEPS = tuple(by * 10**power for power in range(2, 7) for by in (1, 2, 5))[2:]  # 500, 1,000, 2,000, …
TIMED_STEPS = 50
"""Steps from which on the duration of a training tells its speed."""
FEW_FOLDS = 3, 2
"""Numbers of folds that are tried to shorten a comparison."""
FEW_ARMS = RAW, "classical", "classical+synthetic"
"""Arms that a shortened comparison keeps."""


def workers_at_once(settings: GainSettings) -> int:
    """Return the number of tasks to run at once on this computer: one on each graphics card, else one for each core.

    Examples
    --------
    >>> workers_at_once(GainSettings(workers=3)), workers_at_once(GainSettings(device="cuda"))
    (3, 1)
    """
    if settings.scheduler == HERE:
        return 1
    if settings.workers:
        return settings.workers
    if settings.scheduler:
        return 1
    if on_graphics_card(settings.device):
        return max(1, len(cards_for(settings.device)))
    return max(1, cores() // threads_for(settings.threads))


def trainings(settings: GainSettings, folds: int) -> dict[str, int]:
    """Count the tasks of each kind, as `gain` makes them.

    Parameters
    ----------
    settings : GainSettings
        Settings of the comparison.
    folds : int
        Number of folds.

    Returns
    -------
    dict
        ``generator``, ``curated``, ``simulator``, ``pasted``, ``arm``: how many. There are fewer generators where all
        pairs are curated by hand, or where earlier comparisons trained them.

    Examples
    --------
    >>> trainings(GainSettings(arms=["classical", "classical+synthetic"], repeats=2), 5)
    {'generator': 10, 'curated': 0, 'simulator': 0, 'pasted': 0, 'arm': 40}
    """
    arms, shares = trained_arms(settings.arms), len(dict.fromkeys(settings.subsets))
    places = folds * settings.repeats * shares
    sources = settings.repeats if settings.paper_protocol else places
    ratios, data = len(dict.fromkeys(settings.ratios)), {data_of(arm) for arm in arms}
    trains_generator = settings.pairs_from == "folds"
    generators = max(1, len(dict.fromkeys(settings.generator))) if trains_generator else 1
    each = [(ratios if has_ratio(arm) else 1) * (generators if needs_generator(arm) else 1) for arm in arms]
    return {
        "generator": sources * generators * (trains_generator and any(map(needs_generator, arms))),
        "curated": sources * generators * (trains_generator and "curated" in data),
        "simulator": sources * ("simulated" in data),
        "pasted": sources * ("pasted" in data),
        "arm": places * sum(each),
    }


def speeds(project: Project) -> dict[str, float]:
    """Return measured seconds for each step of a ``generator`` and of an ``arm`` here; unknown ones are missing.

    Taken from the newest comparison that has them, else from the newest training and the newest result. ``arm_steps``
    are the steps after which the arms of the newest comparison were at their plateau, mean.
    """
    known = _of_shared(project)
    folders = sorted(project.path.glob("segment/*"), key=by_name, reverse=True)
    for folder in folders:
        known = {**_of_tasks(folder), **known}
    if "arm" not in known:
        arm = next((speed for folder in folders if (speed := _of_result(folder))), None)
        known |= {"arm": arm} if arm else {}
    if "generator" not in known:
        for path in reversed(project.runs()):
            events, _ = JobFolder(path).read_events()
            rates = [event.rate for event in events if isinstance(event, Progress) and event.rate > 0]
            if rates:
                known["generator"] = 1 / rates[-1]
                break
    return known


def kept_generators(project: Project) -> int:
    """Count the generators that comparisons of this project trained to their end."""
    return sum(1 for _ in project.path.glob(f"{SHARED}/{GeneratorTask.kind}-*/{RESULT}"))


def _of_tasks(folder: Path) -> dict[str, float]:
    """Compute seconds per step from the finished tasks of a comparison; shorter trainings mostly loaded images."""
    records = [read_record(path.parent) for path in folder.glob("tasks/*/result.json")]
    arms = [one.seconds / one.steps for one in records if isinstance(one, ArmRecord) and one.steps >= TIMED_STEPS]
    taken = [one.steps for one in records if isinstance(one, ArmRecord) and one.curve and one.curve.at_plateau]
    durations = [one.seconds for one in records if one is not None and one.kind == "generator"]
    known = {"arm": sum(arms) / len(arms)} if arms else {}
    known |= {"arm_steps": sum(taken) / len(taken)} if taken else {}
    if durations:
        try:
            steps = sum(Recipe.from_file(path).train.steps for path in folder.glob("recipes/*.yaml"))
        except UserError:
            steps = 0
        known |= {"generator": sum(durations) / len(durations) / steps} if steps else {}
    return known


def _of_shared(project: Project) -> dict[str, float]:
    """Compute seconds per step from the newest generator that a comparison trained."""
    results = sorted(project.path.glob(f"{SHARED}/generator-*/{RESULT}"), key=lambda path: path.stat().st_mtime)
    for path in reversed(results):
        record = read_record(path.parent)
        try:
            steps = sum(Recipe.from_file(one).train.steps for one in path.parent.glob("project/runs/*/recipe.yaml"))
        except UserError:
            continue
        if record is not None and steps:
            return {"generator": record.seconds / steps}
    return {}


def _of_result(folder: Path) -> float | None:
    """Compute seconds per step from the result of a comparison without tasks."""
    try:
        arms = read_result(folder / RESULTS).arms.values()
    except UserError:
        return None
    speeds = [arm.seconds / arm.steps for arm in arms if arm.steps >= TIMED_STEPS]
    return sum(speeds) / len(speeds) if speeds else None


def seconds(
    settings: GainSettings, folds: int, speed: Mapping[str, float], generator_steps: int, known: bool = False
) -> float | None:
    """Estimate the duration of a comparison; None if a speed is not known.

    An arm counts with the steps that arms took here before, else with its most steps: then it is an upper bound.

    Parameters
    ----------
    settings, folds
        As in `trainings`.
    speed : mapping
        Of `speeds`.
    generator_steps : int
        Of its recipe; ``settings.generator_steps`` goes before it.
    known : bool
        Leave out the kinds whose speed is not known; None if no speed is.
    """
    count = trainings(settings, folds)
    arm_steps = min(settings.steps, speed.get("arm_steps", settings.steps))
    steps = {"generator": settings.generator_steps or generator_steps, "arm": arm_steps}
    kinds = [kind for kind in ("generator", "arm") if count[kind]]
    measured = [kind for kind in kinds if kind in speed]
    if not measured or (measured != kinds and not known):
        return None
    whole = sum(count[kind] * steps[kind] * speed[kind] for kind in measured)
    tasks = sum(count.values()) if measured == kinds else sum(count[kind] for kind in measured)
    return whole / min(workers_at_once(settings), max(tasks, 1))


@dataclass(frozen=True)
class Shorter:
    """A shorter comparison: its changes, their cost, and the seconds that it takes."""

    settings: GainSettings
    changes: str
    costs: str
    seconds: float


@dataclass(frozen=True)
class Estimate:
    """Estimated duration of a comparison, and of shorter ones.

    Parameters
    ----------
    settings : GainSettings
    folds, groups : int
        Folds of the comparison, and groups of images; there are no more folds than these.
    speed : mapping
        Of `speeds`.
    generator_steps : int
        As in `seconds`.
    kept : int
        Generators of earlier comparisons, `kept_generators`. Those with this recipe that saw the same images are used
        again; which ones is not known before the plan is made, so the duration counts them all as new.
    """

    settings: GainSettings
    folds: int
    groups: int
    speed: Mapping[str, float]
    generator_steps: int
    kept: int = 0

    def seconds(self, settings: GainSettings | None = None, folds: int | None = None) -> float:
        """Estimate the duration of this comparison or one with other settings and folds; 0 if no speed is known."""
        chosen, number = settings or self.settings, folds or self.folds
        return seconds(chosen, number, self.speed, self.generator_steps, known=True) or 0.0

    @property
    def at_most(self) -> bool:
        """Whether arms may end earlier than this counts: it is not known yet after how many steps they do."""
        return "arm_steps" not in self.speed

    def shorter(self, most: float = NIGHT_SECONDS) -> Shorter | None:
        """Return a comparison that takes a night.

        First what costs least: one ratio, fewer arms, fewer folds, fewer steps of the generator; one repeat comes last,
        because then the luck of a seed is not in the interval.

        Parameters
        ----------
        most : float
            Seconds that it may take.

        Returns
        -------
        Shorter or None
            None if it takes no longer than that, if no speed is known, or if nothing brings it below that or halves it.
        """
        now = self.seconds()
        if now <= most:
            return None
        best, folds, duration = self.settings, self.folds, now
        for folds, best in self._tries(most):
            duration = self.seconds(best, folds)
            if duration <= most:
                break
        return None if duration > max(most, now / 2) else self._describe(best, folds, duration)

    def _tries(self, most: float) -> Iterator[tuple[int, GainSettings]]:
        """Yield folds and settings of ever shorter comparisons."""
        best, folds = self.settings, self.folds
        if len(set(best.ratios)) > 1 and any(map(has_ratio, best.arms)):
            best = best.replace(ratios=(min(best.ratios),))
            yield folds, best
        arms = tuple(arm for arm in best.arms if arm not in FEW_ARMS)
        if fewer := tuple(arm for arm in best.arms if arm in FEW_ARMS) if arms else ():
            best = best.replace(arms=fewer)
            yield folds, best
        for number in FEW_FOLDS:
            if self.settings.design != "hold-out" and number < self.folds and number <= self.groups:
                design = "grouped" if best.design == "leave-one-out" else best.design
                folds, best = number, best.replace(folds=number, design=design)
                yield folds, best
        shorter = self._with_fewer_steps(best, folds, self.seconds(best, folds), most)
        if shorter != best:
            yield folds, shorter
        once = best.replace(repeats=1)
        yield folds, once
        yield folds, self._with_fewer_steps(once, folds, self.seconds(once, folds), most)

    def _with_fewer_steps(self, settings: GainSettings, folds: int, taken: float, most: float) -> GainSettings:
        """Set the largest round number of generator steps that fits; the same settings if there is none."""
        if "generator" not in self.speed or not trainings(settings, folds)["generator"]:
            return settings
        steps = settings.generator_steps or self.generator_steps
        of_generators = taken - self.seconds(settings.replace(generator_steps=1), folds)
        room = steps * max(0.0, 1 - (taken - most) / max(of_generators, 1e-9))
        choices = [number for number in ROUND_STEPS if number <= max(room, ROUND_STEPS[0]) and number < steps]
        return settings.replace(generator_steps=choices[-1]) if choices else settings

    def _describe(self, best: GainSettings, folds: int, taken: float) -> Shorter:
        settings, steps = self.settings, self.settings.generator_steps or self.generator_steps
        changes, costs = [], []
        if best.ratios != settings.ratios:
            changes.append(f"ratio {best.ratios[0]:g}")
            costs.append("no other share of the pairs is tried")
        if best.arms != settings.arms:
            changes.append(f"arms {', '.join(best.arms)}")
            costs.append("the other arms are not compared")
        if best.repeats < settings.repeats:
            changes.append("1 repeat")
            costs.append("one repeat does not show the variance between seeds")
        if folds < self.folds:
            changes.append(f"{folds} folds")
            costs.append(
                f"each training sees {100 - 100 / folds:.0f} % of the images instead of {100 - 100 / self.folds:.0f} %"
            )
        if best.generator_steps != settings.generator_steps:
            changes.append(f"generator {best.generator_steps:,} steps")
            costs.append(f"a generator of {best.generator_steps:,} instead of {steps:,} steps draws less well")
        text = "; ".join(costs)
        text = f"{text[:1].upper()}{text[1:]}. The interval gets wider, and a small gain may not show."
        return Shorter(best, ", ".join(changes), text, taken)
