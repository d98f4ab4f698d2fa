"""No file descriptors left: idle connections have to give theirs back, and the server goes on."""

import socket
import time
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest

from tests.app.faults.conftest import (
    RECEIVE_SECONDS,
    answer,
    pair_settings,
    started,
    unharmed,
)

pytestmark = pytest.mark.long

_DESCRIPTORS = 64
_FEW = f"import resource; resource.setrlimit(resource.RLIMIT_NOFILE, ({_DESCRIPTORS},) * 2)"


def test_idle_connections_take_every_descriptor(pair: Path) -> None:
    patience = {"MEDQA_RECEIVE_TIMEOUT_SECONDS": str(RECEIVE_SECONDS)}
    with started(_FEW, **pair_settings(pair), **patience) as server, ExitStack() as idle:
        right = answer(server)
        for _ in range(2 * _DESCRIPTORS):  # the rest of them wait in the kernel to be accepted
            idle.enter_context(socket.create_connection(("127.0.0.1", server.port)))
        deadline = time.monotonic() + 10
        while "the most that file descriptors allow" not in server.output():
            assert time.monotonic() < deadline, "there were enough"
            time.sleep(0.1)
        # They stay open at their end, and still somebody else is answered.
        deadline = time.monotonic() + 30
        while not _answers(server.url):
            assert time.monotonic() < deadline, "nobody gets in"
        assert answer(server) == right
        idle.close()
        unharmed(server, right)
        assert "Too many open files" not in server.output()
        assert server.output().count("the most that file descriptors allow") == 1


def _answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/readyz", timeout=2).status_code == 200
    except httpx.TransportError:
        return False
