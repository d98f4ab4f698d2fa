"""Cases measured in turns, because a machine's speed drifts: each round runs every case once."""

import time
from collections.abc import Callable, Mapping
from typing import TypeVar

Made = TypeVar("Made")


def interleaved(cases: Mapping[str, Callable[[], Made]], repeats: int) -> dict[str, list[Made]]:
    """Return what each case gave in each round, after one unmeasured round of all.

    Every second round runs in reverse: no case always follows the same other.
    """
    made: dict[str, list[Made]] = {name: [] for name in cases}
    for repeat in range(repeats + 1):
        for name in reversed(list(cases)) if repeat % 2 else cases:
            result = cases[name]()
            if repeat:
                made[name].append(result)
    return made


def timed(case: Callable[[], object]) -> Callable[[], float]:
    """Return the case as one that gives the seconds it takes."""

    def seconds() -> float:
        started = time.perf_counter()
        case()
        return time.perf_counter() - started

    return seconds
