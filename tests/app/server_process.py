"""A real `python -m app` on loopback, for what only a process of its own can show."""

import os
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import httpx
import psutil

ROOT = Path(__file__).parents[2]


def free_port() -> int:
    """Return a loopback port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


_RUN = "import runpy; runpy.run_module({!r}, run_name='__main__')"
_IN_WORKERS = (
    "import app.engine.processes, sys; app.engine.processes.COMMAND = (sys.executable, '-c', {!r})"
)


class Server:
    """A real `python -m app` on a loopback port; `prelude` is Python that runs in it before.

    `in_workers` runs before the models' processes do anything.

    It logs into a file of its own, unless there is a `log` already.
    """

    def __init__(
        self, prelude: str = "", *, in_workers: str = "", log: str = "", **environment: str
    ) -> None:
        self.port = int(environment.get("MEDQA_PORT") or free_port())
        self.url = f"http://127.0.0.1:{self.port}"
        # A file: a full pipe that nobody reads would stop the server.
        self._log = log or tempfile.mkstemp(suffix=".log")[1]
        output = os.open(self._log, os.O_WRONLY)
        if in_workers:
            worker = f"{in_workers}\n{_RUN.format('app.engine.worker')}"
            prelude = f"{_IN_WORKERS.format(worker)}\n{prelude}"
        clean = {name: value for name, value in os.environ.items() if "MEDQA" not in name}
        self.process = subprocess.Popen(
            [sys.executable, "-c", f"{prelude}\n{_RUN.format('app')}"],
            cwd=ROOT,
            env=clean
            | {"MEDQA_PORT": str(self.port), "MEDQA_CPU_THREADS": "1", "HF_HUB_OFFLINE": "1"}
            | {"MEDQA_REFERENCES": "none"}  # whatever index the developer has made
            | environment,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        os.close(output)

    def wait_until_ready(self, seconds: float = 120.0) -> None:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            assert self.process.poll() is None, self.output()
            try:
                if httpx.get(f"{self.url}/readyz", timeout=5).status_code == 200:
                    return
            except httpx.TransportError:
                pass
            time.sleep(0.1)
        raise AssertionError("the server was not ready in time")

    def output(self) -> str:
        """Return what it has printed."""
        log = Path(self._log)
        return log.read_text() if log.is_file() else ""  # /dev/full gives zeros without end

    def workers(self) -> list[psutil.Process]:
        """Return the models' processes."""
        return psutil.Process(self.process.pid).children(recursive=True)

    def wait(self) -> str:
        """Wait until it has ended by itself; return what it printed."""
        self.process.wait(timeout=60)
        return self.output()

    def stop(self) -> str:
        """Send SIGTERM; return what it printed."""
        self.process.terminate()
        return self.wait()
