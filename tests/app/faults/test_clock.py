"""A wall clock that jumps a year, forward or back: nothing is late, early or locked out by it."""

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.app.conftest import Server
from tests.app.faults.conftest import pair_settings, started
from tests.app.faults.wire import QUESTION

_LIMIT = 4
_WINDOW_SECONDS = 5

# The clock of everything in the process that asks for the time of day, in Python's ways at least.
_JUMPS_ON_SIGNAL = """
import signal, time
real, skew = time.time, [0.0]
time.time = lambda: real() + skew[0]
time.time_ns = lambda: int((real() + skew[0]) * 1e9)
def jump(by):
    skew[0] += by
signal.signal(signal.SIGUSR1, lambda *_: jump(31_536_000.0))
signal.signal(signal.SIGUSR2, lambda *_: jump(-63_072_000.0))
"""


@pytest.fixture(scope="module")
def server(pair: Path) -> Iterator[Server]:
    limit = {"MEDQA_RATE_LIMIT": f"{_LIMIT}/{_WINDOW_SECONDS} second"}
    with started(_JUMPS_ON_SIGNAL, **pair_settings(pair), **limit) as running:
        yield running


def _ask(server: Server) -> httpx.Response:
    return httpx.post(f"{server.url}/answer", json={"question": QUESTION}, timeout=60)


@pytest.mark.parametrize("jump", [signal.SIGUSR1, signal.SIGUSR2], ids=["forward", "back"])
def test_a_clock_that_jumps(server: Server, jump: signal.Signals) -> None:
    body = {"question": QUESTION, "max_new_tokens": 110, "stream": True}
    time.sleep(_WINDOW_SECONDS + 1)  # whatever was asked before is forgotten
    with httpx.stream("POST", f"{server.url}/answer", json=body, timeout=60) as streamed:
        parts = streamed.iter_text()
        begun = next(parts)
        os.kill(server.process.pid, jump)
        assert "event: done" in begun + "".join(parts)
    replies = [_ask(server) for _ in range(_LIMIT)]
    assert [reply.status_code for reply in replies] == [200] * (_LIMIT - 1) + [429]
    assert 1 <= int(replies[-1].headers["retry-after"]) <= _WINDOW_SECONDS
    time.sleep(int(replies[-1].headers["retry-after"]) + 0.5)
    again = _ask(server)
    assert again.status_code == 200
    timing = again.json()["timing"]
    assert 0 <= timing["queue_ms"] <= timing["total_ms"] < 60_000
    assert httpx.get(f"{server.url}/readyz").status_code == 200
