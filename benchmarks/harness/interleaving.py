"""Cases measured in turns, because a machine's speed drifts: each round runs every case once."""

import time
from collections.abc import Callable, Mapping
from typing import TypeVar

Made = TypeVar("Made")


def interleaved(
    cases: Mapping[str, Callable[[], Made]],
    repeats: int,
    *,
    warm_ups: int = 1,
    pause_seconds: float = 0.0,
) -> dict[str, list[Made]]:
    """Return what each case gave in each round, after `warm_ups` unmeasured rounds of all.

    Every second round runs in reverse: no case always follows the same other.
    """
    made: dict[str, list[Made]] = {name: [] for name in cases}
    for repeat in range(warm_ups + repeats):
        for name in reversed(list(cases)) if repeat % 2 else cases:
            time.sleep(pause_seconds)
            result = cases[name]()
            if repeat >= warm_ups:
                made[name].append(result)
    return made


def timed(case: Callable[[], object]) -> Callable[[], float]:
    """Return the case as one that gives the seconds it takes."""

    def seconds() -> float:
        started = time.perf_counter()
        case()
        return time.perf_counter() - started

    return seconds
