"""How many requests one model takes on, and when to ask again where there is no room.

Knows nothing about what an answer is. A refusal must cost little, or many of them take from the
answers that are being made: so it comes first, and from a count.
"""

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from app.errors import QueueFull

_MAX_RETRY_AFTER_SECONDS = 60


@dataclass(frozen=True, slots=True)
class Limits:
    """How much one engine takes on, and how long it may go without a step.

    `cache_tokens` are the tokens whose keys and values are kept at the same time; `drafts` says
    whether tokens are guessed and verified.
    """

    max_running: int
    max_waiting: int
    max_batch_tokens: int
    cache_tokens: int = 16_384
    drafts: bool = True
    stall_seconds: float = 4.0


class Hold:
    """A place that is taken; `began_at` is when its answer got its first token, 0 before."""

    began_at = 0.0

    def begin(self) -> None:
        """Say that the answer's tokens have begun to come."""
        self.began_at = self.began_at or time.perf_counter()


class Admission:
    """So many answers are made, so many wait, and whoever comes beyond is told when to come back.

    The estimate follows how long places were held of late.
    """

    def __init__(self, limits: Limits) -> None:
        self._running = limits.max_running
        self._waiting = limits.max_waiting
        self._mean_answer_seconds = 1.0
        self.taken = 0

    def require(self) -> None:
        """Raise QueueFull if no place is free."""
        places = self._running + self._waiting
        if self.taken >= places:
            # When those who wait now have begun, at the pace of late: then places are free.
            drained = self._mean_answer_seconds * max(1, self._waiting) / self._running
            raise QueueFull(
                f"All {places} places are taken ({self._running} answering, "
                f"{self._waiting} waiting).",
                retry_after_seconds=min(_MAX_RETRY_AFTER_SECONDS, math.ceil(drained)),
            )

    @contextmanager
    def held(self, *, admitted: bool = False) -> Iterator[Hold]:
        """Hold a place; for what belongs to an answer that was `admitted`, one more if need be.

        Raises:
            QueueFull: no place is free.

        """
        if not admitted:
            self.require()
        self.taken += 1
        hold = Hold()
        try:
            yield hold
        finally:
            self.taken -= 1
            if hold.began_at:
                self.note(time.perf_counter() - hold.began_at)

    def note(self, answer_seconds: float) -> None:
        """Remember how long a place was held: the mean forgets all but about the last ten."""
        self._mean_answer_seconds += 0.1 * (answer_seconds - self._mean_answer_seconds)
