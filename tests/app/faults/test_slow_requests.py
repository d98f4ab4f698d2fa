"""Clients that take for ever to ask: each is cut off, and others never notice."""

import socket
import time

import pytest

from tests.app.faults.conftest import RECEIVE_SECONDS, under_load
from tests.app.faults.wire import asking, connected, everything, get, post, status
from tests.app.server_process import Server

PATIENCE = RECEIVE_SECONDS + 20  # seconds: a busy machine is late


def _dribble(server: Server, begun: bytes, drop: bytes) -> bytes:
    """Send a beginning, then a drop every now and then until cut off; return what came back."""
    with connected(server, seconds=0.3) as connection:
        connection.sendall(begun)
        received = b""
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            try:
                connection.sendall(drop)
                piece = connection.recv(65_536)
            except TimeoutError:
                continue
            except OSError:
                return received
            if not piece:
                return received
            received += piece
    raise AssertionError(f"still connected after {PATIENCE} s: {received!r}")


@pytest.mark.parametrize(
    ("before", "answered"), [(b"", 0), (get("/readyz"), 200)], ids=["first", "second"]
)
def test_headers_that_never_end(outlived: Server, before: bytes, answered: int) -> None:
    with under_load(outlived) as load:
        begun = before + b"GET /info HTTP/1.1\r\nHost: x\r\n"
        assert status(_dribble(outlived, begun, b"a: b\r\n")) == answered
    assert set(load.outcomes) == {"200"}


def test_a_body_that_never_ends(outlived: Server) -> None:
    with under_load(outlived) as load:
        begun = post("/answer", b"", "Content-Length: 60000")
        response = _dribble(outlived, begun, b" ")
    assert status(response) == 408
    assert b"application/problem+json" in response
    assert b"did not arrive within 2 seconds" in response
    assert set(load.outcomes) == {"200"}


@pytest.mark.parametrize(
    ("begun", "answered"),
    [
        (post("/answer", b"", "Content-Length: 999999999"), 413),
        (post("/healthz", b"", "Content-Length: 60000"), 405),
    ],
    ids=["too large", "wrong method"],
)
def test_a_body_that_nobody_waits_for(outlived: Server, begun: bytes, answered: int) -> None:
    assert status(_dribble(outlived, begun, b" ")) == answered


def test_a_connection_that_says_nothing(outlived: Server) -> None:
    with connected(outlived, seconds=PATIENCE) as connection:
        assert everything(connection) == b""


def _one_response(connection: socket.socket) -> bytes:
    received = b""
    while b"}" not in received[-1:]:
        received += connection.recv(65_536)
    return received


def test_who_is_not_slow_may_ask_again_and_again(outlived: Server) -> None:
    """The connection is as old as the deadline, but no request is."""
    with connected(outlived) as connection:
        for _ in range(3):
            for request in (get("/readyz"), asking(max_new_tokens=1)):
                connection.sendall(request)
                assert status(_one_response(connection)) == 200
            time.sleep(RECEIVE_SECONDS / 2)
