"""The processes that the models run in: begun first, as they import for a while.

Knows nothing about what is said to them, and imports nothing that takes time.
"""

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress

COMMAND = (sys.executable, "-m", "app.engine.worker")
_WITHIN_SECONDS = 600.0
_FIRST_WAIT_SECONDS = 0.5


class Workers:
    """As many processes as there are models; each can be started again."""

    def __init__(self, count: int) -> None:
        self._running = [_started() for _ in range(count)]

    def connection(self, place: int) -> socket.socket:
        """Return our end of the connection to a process."""
        return self._running[place][1]

    def restart(self, place: int) -> socket.socket:
        """End a process, whatever it is doing, and start another in its place.

        From the main thread: Linux ends a process with the thread that began it.
        """
        _end(*self._running[place])
        self._running[place] = _started()
        return self.connection(place)

    def close(self) -> None:
        """End all of them at once."""
        for each in self._running:
            _end(*each)


class Restarts:
    """When a process that ended by itself is started again: later each time, and not for ever.

    `going_on` from its end until it is there again.
    """

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


def _started() -> tuple[subprocess.Popen[bytes], socket.socket]:
    ours, theirs = socket.socketpair()
    with theirs:
        process = subprocess.Popen(  # noqa: S603 - this very program, and a number
            [*COMMAND, str(theirs.fileno())],
            pass_fds=[theirs.fileno()],
            # A session of its own: a terminal's Ctrl-C is for the server.
            start_new_session=True,
            # Threads that spin while they wait take the cores from the other model's.
            env={"OMP_WAIT_POLICY": "passive"} | os.environ,
        )
    return process, ours


def _end(process: subprocess.Popen[bytes], connected: socket.socket) -> None:
    connected.close()
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
