"""What a soak showed: the first third against the last, the slopes, the bounds, and a figure.

Knows nothing about how the traffic was made.
"""

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
from matplotlib.figure import Figure

from benchmarks.harness import results

FIGURE = Path(__file__).parents[1] / "figures" / "soak.png"
_MIB = 2**20
_FEWEST = 6
"""Samples or answers below which a third says nothing about growth."""


class Ended(NamedTuple):
    """One request: when it began, of what kind, how it ended and whether it may end so."""

    began: float
    kind: str
    outcome: str
    seconds: float
    explained: bool


class Sample(NamedTuple):
    """What the server held at a moment; CPU seconds and tokens are totals since its start."""

    moment: float
    memory_bytes: int
    descriptors: int
    threads: int
    cpu_seconds: float
    running: float
    waiting: float
    tokens: float


class Rest(NamedTuple):
    """What the server holds when nothing is asked of it."""

    memory_bytes: int
    descriptors: int
    threads: int
    running: int
    waiting: int


class Soaked(NamedTuple):
    """All that a soak gave; `rate` is its arrivals in a second, bursts not counted."""

    rate: float
    warming: list[Ended]
    ended: list[Ended]
    samples: list[Sample]
    before: Rest
    after: Rest


class Measure(NamedTuple):
    """One thing that must stay flat: its ends, its slope in an hour, and its growth's bound."""

    name: str
    first: float
    last: float
    slope: float | None
    growth: float
    bound: float
    unit: str


def measures(soaked: Soaked) -> list[Measure]:
    """Return everything that has a bound.

    Memory may grow by a twentieth, arithmetic for a token by a quarter, latencies and open
    connections to the double (a shared machine alone does that); at rest not one descriptor,
    thread or place may be lost.
    """
    before, after = soaked.before, soaked.after
    unexplained = [each for each in [*soaked.warming, *soaked.ended] if not each.explained]
    failed = sum(" 5" in f" {each.outcome}" or "server" in each.outcome for each in unexplained)
    held = float(after.running + after.waiting)
    return [
        *_grown(soaked),
        Measure("memory, MiB, at rest", before.memory_bytes / _MIB, after.memory_bytes / _MIB,
                None, after.memory_bytes / before.memory_bytes, 1.05, " ×"),
        Measure("file descriptors, at rest", before.descriptors, after.descriptors,
                None, after.descriptors - before.descriptors, 0.0, " more"),
        Measure("threads, at rest", before.threads, after.threads,
                None, after.threads - before.threads, 0.0, " more"),
        Measure("places held, at rest", before.running + before.waiting, held, None, held, 0.0, ""),
        Measure("unexplained 5xx", 0, failed, None, failed, 0.0, ""),
        Measure("unexplained outcomes", 0, len(unexplained), None, len(unexplained), 0.0, ""),
    ]  # fmt: skip


def broken(soaked: Soaked) -> list[Measure]:
    """Return what exceeds its bound."""
    return [measure for measure in measures(soaked) if measure.growth > measure.bound]


def show(soaked: Soaked) -> None:
    """Print the outcomes of each kind of request."""
    counts = Counter((each.kind, each.outcome, each.explained) for each in soaked.ended)
    counts.update((each.kind, each.outcome, False) for each in soaked.warming if not each.explained)
    print("\n| request | outcome | times | |\n| --- | --- | --- | --- |")
    for (kind, outcome, explained), times in sorted(counts.items()):
        print(f"| {kind} | {outcome} | {times} | {'' if explained else 'unexplained'} |")


def table(soaked: Soaked) -> results.Record:
    """Return everything that has a bound, as a record."""
    columns = {
        "first": "{first:.2f}",
        "last": "{last:.2f}",
        "slope per hour": "{slope:+.2f}",
        "growth": "{growth:.2f}{unit}",
        "bound": "{bound:g}{unit}",
    }
    minutes = (soaked.samples[-1].moment - soaked.samples[0].moment) / 60
    title = (
        f"{minutes:.0f} minutes of {soaked.rate:.1f} requests a second and bursts, "
        f"{len(soaked.ended)} in all; the first third against the last, and at rest"
    )
    rows: list[results.Row] = [
        {"case": each.name}
        | {name: value for name, value in each._asdict().items() if name != "name"}
        for each in measures(soaked)
    ]
    return results.record("soak", title, columns, rows)


def figure(soaked: Soaked, path: Path) -> None:
    """Draw memory, descriptors and threads, latency and the batch over time."""
    start = soaked.samples[0].moment
    minutes = [(sample.moment - start) / 60 for sample in soaked.samples]
    drawing = Figure((10, 6), layout="constrained")
    axes = drawing.subplots(2, 2)
    memory, handles, latency, batch = axes.flat
    memory.plot(minutes, [sample.memory_bytes / _MIB for sample in soaked.samples])
    handles.plot(minutes, [each.descriptors for each in soaked.samples], label="file descriptors")
    handles.plot(minutes, [each.threads for each in soaked.samples], label="threads")
    batch.plot(minutes, [each.running for each in soaked.samples], label="running")
    batch.plot(minutes, [each.waiting for each in soaked.samples], label="waiting")
    by_minute: dict[int, list[float]] = {}
    for each in _answers(soaked):
        by_minute.setdefault(int((each.began - start) / 60), []).append(each.seconds)
    for share in (50, 95):
        values = [np.percentile(by_minute[minute], share) for minute in sorted(by_minute)]
        latency.plot(sorted(by_minute), values, label=f"p{share}")
    titles = ["memory, MiB", "held by the process", "seconds for /answer", "both models' places"]
    for plot, title in zip(axes.flat, titles, strict=True):
        plot.set(title=title, xlabel="minute", ylim=(0, 1.1 * plot.get_ylim()[1]))
    for plot in (handles, latency, batch):
        plot.legend()
    path.parent.mkdir(parents=True, exist_ok=True)
    drawing.savefig(path, dpi=110)


def _grown(soaked: Soaked) -> list[Measure]:
    """Return what is compared between the first third and the last."""
    return [*_grown_samples(soaked.samples), *_grown_latencies(_answers(soaked))]


def _grown_samples(samples: list[Sample]) -> list[Measure]:
    if len(samples) < 3 * _FEWEST:
        return []
    third = len(samples) // 3
    parts = samples[:third], samples[-third:]
    moments = [each.moment for each in samples]

    def over(name: str, of: Callable[[Sample], float], bound: float) -> Measure:
        first, last = (float(np.median([of(each) for each in part])) for part in parts)
        slope = _slope(moments, [of(each) for each in samples])
        return Measure(name, first, last, slope, last / first, bound, " ×")

    first, last = map(_cpu_milliseconds, parts)
    return [
        over("memory, MiB", lambda each: each.memory_bytes / _MIB, 1.05),
        over("file descriptors", lambda each: each.descriptors, 2.0),
        over("threads", lambda each: each.threads, 1.0),
        Measure("CPU ms a token", first, last, None, last / first, 1.25, " ×"),
    ]


def _grown_latencies(answers: list[Ended]) -> list[Measure]:
    if len(answers) < 3 * _FEWEST:
        return []
    third = len(answers) // 3
    seconds = [each.seconds for each in answers]
    slope = _slope([each.began for each in answers], seconds)
    found = []
    for share in (50, 95):
        parts = seconds[:third], seconds[-third:]
        first, last = (float(np.percentile(part, share)) for part in parts)
        name = f"seconds for /answer, p{share}"
        found.append(
            Measure(name, first, last, slope if share == 50 else None, last / first, 2.0, " ×")
        )
    return found


def _answers(soaked: Soaked) -> list[Ended]:
    """Return the whole answers of one model, in the order that they were asked for."""
    return sorted(each for each in soaked.ended if (each.kind, each.outcome) == ("answer", "200"))


def _cpu_milliseconds(samples: list[Sample]) -> float:
    """Return the processor's time for a token, all that serving it takes included."""
    tokens = samples[-1].tokens - samples[0].tokens
    return 1_000 * (samples[-1].cpu_seconds - samples[0].cpu_seconds) / max(tokens, 1.0)


def _slope(moments: list[float], values: list[float]) -> float:
    """Return the growth in an hour of the straight line through the values."""
    hours = (np.array(moments) - moments[0]) / 3_600
    return float(np.polyfit(hours, values, 1)[0])
