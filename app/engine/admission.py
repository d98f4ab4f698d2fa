"""How many requests one model takes on, of whom, and when to ask again where there is no room.

Knows nothing about what an answer is, nor about what makes somebody a client. A refusal must
cost little, or many of them take from the answers that are being made: so it comes first, and from
a count.
"""

import math
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

from app.errors import QueueFull

_MAX_RETRY_AFTER_SECONDS = 60

asker: ContextVar[str] = ContextVar("asker", default="")
"""Who asks for what is done in this context; whoever has no name is one client with all of those.
"""


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

    A client that asks alone may take every place. Once others ask too, each has a share: the places
    divided by the clients that hold one. Where somebody has to wait, nobody gets more than that;
    and where all places are taken, whoever has less gets one of some more, as many as may wait:
    they are only ever needed when one client came first and took everything. When to come back is
    an estimate, from how long places were held of late.
    """

    def __init__(self, limits: Limits) -> None:
        self._running = limits.max_running
        self._waiting = limits.max_waiting
        self._mean_answer_seconds = 1.0
        self._held: Counter[str] = Counter()
        self.taken = 0

    def require(self) -> None:
        """Raise QueueFull if no place is free for whoever asks in this context."""
        places = self._running + self._waiting
        share = max(1, places // len(self._held.keys() | {asker.get()}))
        others = len(self._held.keys() - {asker.get()})
        if others and self.taken >= self._running and self._held[asker.get()] >= share:
            raise self._refusal(
                f"Others wait, and this client has its share of the {places} places ({share})."
            )
        if self.taken >= places + (max(1, self._waiting) if others else 0):
            raise self._refusal(
                f"All {places} places are taken ({self._running} answering, "
                f"{self._waiting} waiting)."
            )

    def _refusal(self, message: str) -> QueueFull:
        # When those who wait now have begun, at the pace of late: then places are free.
        drained = self._mean_answer_seconds * max(1, self._waiting) / self._running
        return QueueFull(message, min(_MAX_RETRY_AFTER_SECONDS, math.ceil(drained)))

    @contextmanager
    def held(self, *, admitted: bool = False) -> Iterator[Hold]:
        """Hold a place; for what belongs to an answer that was `admitted`, one more if need be.

        Raises:
            QueueFull: no place is free.

        """
        if not admitted:
            self.require()
        client = asker.get()  # what closes this later may do so in another context
        self.taken += 1
        self._held[client] += 1
        hold = Hold()
        try:
            yield hold
        finally:
            self.taken -= 1
            self._held[client] -= 1
            if not self._held[client]:
                del self._held[client]
            if hold.began_at:
                self.note(time.perf_counter() - hold.began_at)

    def note(self, answer_seconds: float) -> None:
        """Remember how long a place was held: the mean forgets all but about the last ten."""
        self._mean_answer_seconds += 0.1 * (answer_seconds - self._mean_answer_seconds)
