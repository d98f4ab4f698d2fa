"""A wall clock that jumps a year, forward or back: nothing is late, early or locked out by it."""

import json
import os
import signal
from pathlib import Path

import httpx
import pytest

from tests.app.faults.conftest import answer, pair_settings, started, unharmed
from tests.app.faults.wire import QUESTION
from tests.app.server_process import Server

pytestmark = pytest.mark.long

_LIMIT = 6
_WINDOW_SECONDS = 300

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


def test_a_clock_that_jumps(pair: Path) -> None:
    limit = {"MEDQA_RATE_LIMIT": f"{_LIMIT}/{_WINDOW_SECONDS} second"}
    with started(_JUMPS_ON_SIGNAL, **pair_settings(pair), **limit) as server:
        right = answer(server)
        for jump in (signal.SIGUSR1, signal.SIGUSR2):  # forward, then back
            _jump_in_an_answer(server, jump)
        unharmed(server, right)
        # Of the limit one was asked for the right answer, two in jumps, one was unharmed.
        replies = [_ask(server) for _ in range(_LIMIT - 3)]
        assert [reply.status_code for reply in replies] == [200] * (_LIMIT - 4) + [429]
        assert 1 <= int(replies[-1].headers["retry-after"]) <= _WINDOW_SECONDS


def _jump_in_an_answer(server: Server, jump: signal.Signals) -> None:
    body = {"question": QUESTION, "max_new_tokens": 110, "stream": True}
    with httpx.stream("POST", f"{server.url}/answer", json=body, timeout=60) as streamed:
        parts = streamed.iter_text()
        begun = next(parts)
        os.kill(server.process.pid, jump)
        name, data = (begun + "".join(parts)).strip().split("\n\n")[-1].split("\n")
    assert name == "event: done"
    timing = json.loads(data.removeprefix("data: "))["timing"]
    assert 0 <= timing["queue_ms"] <= timing["first_token_ms"] <= timing["total_ms"] < 60_000


def _ask(server: Server) -> httpx.Response:
    return httpx.post(f"{server.url}/answer", json={"question": QUESTION}, timeout=60)
