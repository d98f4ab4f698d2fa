"""The processes that the models run in: begun first, as they import for a while.

Knows nothing about what is said to them, and imports nothing that takes time.
"""

import os
import signal
import socket
import subprocess
import sys
from contextlib import suppress

COMMAND = (sys.executable, "-m", "app.engine.worker")


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
