"""One server for the faults that it must outlive, load on it, and the proof that it did."""

import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.app.faults.wire import QUESTION
from tests.app.server_process import Server

RECEIVE_SECONDS = 2
SEND_SECONDS = 2
PLACES = 6  # of each model: four answers being made, two in wait

# Runs `fault` before each step of a model's process; what it raises, the step raises.
BEFORE_EACH_STEP = """
import signal, threading, time
from app.engine.backends.openvino import OpenVINO
forward, told = OpenVINO.forward, []
signal.signal(signal.SIGUSR1, lambda *_: told.append(1))
def faulty(backend, runs):
    {fault}
    return forward(backend, runs)
OpenVINO.forward = faulty
"""

# On SIGUSR1 the next step of a model's process fails as one does that finds no memory.
_NO_MEMORY_ON_SIGNAL = BEFORE_EACH_STEP.format(
    fault="if told and told.pop(): raise MemoryError('0xdead bytes')"
)


def pair_settings(pair: Path) -> dict[str, str]:
    """Return the environment of a server over the tiny pair."""
    return {
        "MEDQA_FINE_TUNED_MODEL": str(pair / "fine-tuned"),
        "MEDQA_BASE_MODEL": str(pair / "base"),
        "MEDQA_DEFAULT_NEW_TOKENS": "20",
        "OMP_WAIT_POLICY": "passive",
    }


@contextmanager
def started(*prelude: str, **settings: Any) -> Iterator[Server]:
    """Run a server until it is ready; end it, whatever it is doing."""
    server = Server(*prelude, **settings)
    try:
        server.wait_until_ready()
        yield server
    finally:
        server.process.kill()
        server.process.wait()


@pytest.fixture(scope="session")
def besieged(pair: Path) -> Iterator[Server]:
    """A server with little patience and few places, for all faults that must not end it."""
    with started(
        in_workers=_NO_MEMORY_ON_SIGNAL,
        **pair_settings(pair),
        MEDQA_RECEIVE_TIMEOUT_SECONDS=str(RECEIVE_SECONDS),
        MEDQA_SEND_TIMEOUT_SECONDS=str(SEND_SECONDS),
        MEDQA_MAX_RUNNING="4",
        MEDQA_MAX_WAITING=str(PLACES - 4),
    ) as server:
        yield server


def answer(server: Server, **more: Any) -> str:
    """Return the answer to the question, which is always the same."""
    body = {"question": QUESTION} | more
    response = httpx.post(f"{server.url}/answer", json=body, timeout=60)
    assert response.status_code == 200, response.text
    text: str = response.json()["answer"]
    return text


@pytest.fixture(scope="session")
def right(pair: Path, besieged: Server) -> str:
    """The right answer, as it was before there was any fault."""
    return answer(besieged)


@pytest.fixture
def outlived(besieged: Server, right: str) -> Iterator[Server]:
    """The server; afterwards it must be as if nothing had happened."""
    yield besieged
    unharmed(besieged, right)


def unharmed(server: Server, right: str, tracebacks: bool = False) -> None:
    """Assert that no place is taken, health is green and the answer is still the right one."""
    settled(server)
    assert answer(server) == right
    for path in ("/healthz", "/readyz"):
        assert httpx.get(f"{server.url}{path}", timeout=30).status_code == 200
    assert tracebacks or "Traceback" not in server.output()


def running(server: Server) -> int:
    """Return how many answers are being made or wait for their turn."""
    response = httpx.get(f"{server.url}/info", timeout=30)
    assert response.status_code == 200, response.text
    in_flight: dict[str, int] = response.json()["in_flight"]
    return sum(in_flight.values())


def settled(server: Server, seconds: float = 30) -> None:
    """Wait until no answer is being made."""
    deadline = time.monotonic() + seconds
    while left := running(server):
        assert time.monotonic() < deadline, f"{left} places are still taken"
        time.sleep(0.1)


class Load:
    """Clients that ask and ask, each on a connection of its own; counts how they fare."""

    def __init__(self, server: Server, clients: int) -> None:
        self.outcomes: Counter[str] = Counter()
        self.answers: set[str] = set()
        self._stopping = threading.Event()
        self._url = f"{server.url}/answer"
        self._clients = [threading.Thread(target=self._ask) for _ in range(clients)]
        for client in self._clients:
            client.start()

    def stop(self) -> None:
        self._stopping.set()
        for client in self._clients:
            client.join()

    def _ask(self) -> None:
        with httpx.Client(timeout=60) as client:
            while not self._stopping.is_set():
                try:
                    response = client.post(self._url, json={"question": QUESTION})
                except httpx.TransportError as error:
                    self.outcomes[type(error).__name__] += 1
                    time.sleep(0.05)
                    continue
                self.outcomes[str(response.status_code)] += 1
                if response.status_code == 200:
                    self.answers.add(response.json()["answer"])
                else:
                    time.sleep(0.05)


@contextmanager
def under_load(server: Server, clients: int = 3) -> Iterator[Load]:
    """Ask all the while, from so many clients at once."""
    load = Load(server, clients)
    try:
        yield load
    finally:
        load.stop()
