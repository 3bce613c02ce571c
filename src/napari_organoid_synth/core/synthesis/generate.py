"""Draw new pairs from a trained run into the project."""

from __future__ import annotations

import time
from collections.abc import Iterator

from napari_organoid_synth.core.device import describe_device, use_threads
from napari_organoid_synth.core.job import Added, Control, Event, Finished, Progress, Started, Warned
from napari_organoid_synth.core.project import Project
from napari_organoid_synth.core.quantities import plural
from napari_organoid_synth.core.samples.store import SampleStore
from napari_organoid_synth.core.simulators.population import NO_PLACE
from napari_organoid_synth.core.synthesis.paint_now import run_to_use
from napari_organoid_synth.core.synthesis.sampler import MAX_ATTEMPTS, Sampler
from napari_organoid_synth.core.synthesis.settings import GenerateSettings


def generate(project: Project, settings: GenerateSettings, control: Control) -> Iterator[Event]:
    """Draw pairs and add them to the project's samples, in batches.

    The pairs of a run and seed are numbered, and each number has its own noise: another call goes on where the last one
    ended. A pair with the pixels and mask of one that is there is not added.

    Parameters
    ----------
    project : Project
        With the run; for a painter that paints on real masks also with the pairs. Without any run its pairs are painted
        with at once.
    settings : GenerateSettings
        Run, number, seed, masks, variety.
    control : Control
        Pause and cancel are honoured after the batch in progress.

    Yields
    ------
    Event
        Started, then Added with ids and Progress after each batch, Finished with the ids of the samples, the share of
        masks that were refused, and how many pairs were ``known``.

    Raises
    ------
    UserError
        If the run has no whole checkpoint, there are no masks to paint on, or hardly any mask is usable.
    """
    use_threads()
    run = yield from run_to_use(project, settings.run, control)
    sampler = Sampler.from_run(project, run, settings)
    model = sampler.model
    info = {"run": run.name, "generator": model.generator, "device": describe_device(model.device)}
    yield Started(0, info | {"checkpoint": model.step, "total": settings.number})
    began, done, added = time.perf_counter(), 0, list[str]()
    paused, known = 0.0, 0
    with SampleStore(project.samples_path) as store:
        first = store.next_number(run.name, settings.seed) if settings.first is None else settings.first
        while done < settings.number and not control.canceled:
            ahead = min(done + settings.batch, settings.number)
            pairs = sampler.keep(sampler.draw(range(first + done, first + ahead)))
            fresh = store.without_equal(pairs)
            known += len(pairs) - len(fresh)
            ids = store.add_many(fresh, run=run.name) if fresh else []
            added += ids
            done = ahead
            sampler.check()
            rate = done / (time.perf_counter() - began - paused)
            seconds_left = (settings.number - done) / rate
            yield Added(done, tuple(ids))
            yield Progress(done, settings.number, {"refused": sampler.refused_share}, rate, seconds_left)
            waited = time.perf_counter()
            yield from control.wait_while_paused(done)
            paused += time.perf_counter() - waited
    yield from _warnings(sampler, done)
    if known:
        were = f"{plural(known, 'pair')} {'was' if known == 1 else 'were'} not added"
        yield Warned(done, f"{were}: the project has the same pixels and mask already.")
    result = {
        "run": run.name,
        "checkpoint": model.step,
        "added": len(added),
        "first": first,
        "known": known,
        "samples": added,
        "refused": round(sampler.refused_share, 3),
        "seconds": round(time.perf_counter() - began - paused, 2),
    }
    yield Finished(done, "completed" if done >= settings.number else "canceled", result)


def _warnings(sampler: Sampler, done: int) -> Iterator[Event]:
    """Yield warnings about masks and images that were not usable."""
    if blank := sampler.blank:
        were = f"{plural(blank, 'image')} {'was' if blank == 1 else 'were'} left out"
        yield Warned(done, f"{were}: every pixel has the same value. The generator may have collapsed.")
    if unlike := sampler.unlike:
        have = f"{unlike} of {plural(done, 'pair')} {'has' if unlike == 1 else 'have'}"
        yield Warned(done, f"{have} an object like none in your images; its texture may be wrong. Look at these first.")
    if missing := sampler.missing:
        were = f"{missing} of {done} samples {'was' if missing == 1 else 'were'} left out"
        yield Warned(done, f"{were}: no usable mask in {MAX_ATTEMPTS} attempts.")
    if left_out := sampler.left_out:
        objects = f"{left_out} object{'s' * (left_out != 1)} of the masks {'was' if left_out == 1 else 'were'} left out"
        yield Warned(done, f"{objects}: {NO_PLACE}.")
