"""When a process that ended by itself is started again: later each time, and not for ever.

Knows nothing about the process.
"""

import asyncio
import time

_WITHIN_SECONDS = 600.0
_FIRST_WAIT_SECONDS = 0.5


class Restarts:
    """The starts of one process; `going_on` from its end until it is there again."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._begun: list[float] = []
        self.going_on = False

    async def allowed(self) -> bool:
        """Return, after a wait that doubles each time, whether it may be started once more."""
        now = time.monotonic()
        self._begun = [at for at in self._begun if now - at < _WITHIN_SECONDS]
        self.going_on = len(self._begun) < self._most
        if self.going_on:
            await asyncio.sleep(_FIRST_WAIT_SECONDS * 2 ** len(self._begun))
            self._begun.append(time.monotonic())
        return self.going_on

    def done(self) -> None:
        """Take note that it is there again."""
        self.going_on = False
