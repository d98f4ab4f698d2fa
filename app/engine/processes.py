"""The processes that the models run in: begun first, as they import PyTorch for a while.

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
    """As many processes as there are models, each at the other end of one of `sockets`."""

    def __init__(self, count: int) -> None:
        pairs = [socket.socketpair() for _ in range(count)]
        self.sockets = [ours for ours, _ in pairs]
        theirs = [other for _, other in pairs]
        # macOS' own libraries do not outlive a fork: there each is started by itself.
        groups = [theirs] if sys.platform == "linux" else [[each] for each in theirs]
        self._processes = [_started([each.fileno() for each in group]) for group in groups]
        for each in theirs:
            each.close()

    def close(self) -> None:
        """End all of them at once."""
        for connected in self.sockets:
            connected.close()
        for process in self._processes:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _started(descriptors: list[int]) -> subprocess.Popen[bytes]:
    return subprocess.Popen(  # noqa: S603 - this very program, and numbers
        [*COMMAND, *map(str, descriptors)],
        pass_fds=descriptors,
        # A session of its own: a terminal's Ctrl-C is for the server, and all can be killed as one.
        start_new_session=True,
        # Threads that spin while they wait take the cores from the other model's.
        env={"OMP_WAIT_POLICY": "passive"} | os.environ,
    )
