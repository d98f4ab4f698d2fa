"""Requests of late by client, in this process's memory: what `memory://` counts in.

limits' own memory goes by the wall clock: one that is set back an hour would keep a client out for
that hour. Here time only ever goes forward.
"""

from collections import defaultdict, deque
from time import monotonic

from limits.aio.storage import MemoryStorage


class SteadyWindow(MemoryStorage):
    """limits' storage in memory, whose moving window is on the monotonic clock."""

    def __init__(self) -> None:
        super().__init__()
        self._hits: defaultdict[str, deque[float]] = defaultdict(deque)
        self._swept = monotonic()

    def now(self) -> float:
        """Return the time on the clock of the window, in seconds since nobody knows when."""
        return monotonic()

    async def acquire_entry(self, key: str, limit: int, expiry: int, amount: int = 1) -> bool:
        """Count a request, unless its client has used up its limit."""
        self._sweep(expiry)
        hits = self._recent(key, expiry)
        if len(hits) + amount > limit:
            return False
        hits.extend([monotonic()] * amount)
        return True

    async def get_moving_window(self, key: str, limit: int, expiry: int) -> tuple[float, int]:
        """Return when the oldest request of the window came, on `monotonic`, and how many did."""
        del limit  # what its own entries are cut to, and ours are already
        hits = self._recent(key, expiry)
        return (hits[0] if hits else monotonic()), len(hits)

    def _recent(self, key: str, expiry: int) -> deque[float]:
        hits = self._hits[key]
        while hits and hits[0] < monotonic() - expiry:
            hits.popleft()
        return hits

    def _sweep(self, expiry: int) -> None:
        """Forget clients that are gone, so that memory does not grow with every address."""
        if monotonic() - self._swept < expiry:
            return
        self._swept = monotonic()
        for key in list(self._hits):
            if not self._recent(key, expiry):
                del self._hits[key]
