"""Clients that never read what they asked for: neither a place nor memory is theirs for long."""

import contextlib
import socket
import time

import psutil

from tests.app.faults.conftest import PLACES, SEND_SECONDS, running, settled
from tests.app.faults.wire import asking, connected, get
from tests.app.server_process import Server

_DOCUMENTS = 100  # more than all buffers hold
_MEBIBYTE = 1 << 20


def test_streams_that_nobody_reads_free_their_places(outlived: Server) -> None:
    # The documents fill whatever lies between; one of the streams then cannot go on.
    requests = (get("/openapi.json") + asking(stream=True, max_new_tokens=100)) * _DOCUMENTS
    with contextlib.ExitStack() as connections:
        for _ in range(PLACES):
            reader = connections.enter_context(connected(outlived, receive_bytes=1))
            reader.sendall(requests)
        deadline = time.monotonic() + 20
        while running(outlived) < PLACES // 2:
            assert time.monotonic() < deadline, "no stream was ever held up"
        settled(outlived)  # though they are all still connected


def test_thousands_of_requests_that_nobody_reads_the_answers_of(outlived: Server) -> None:
    """The server must stop reading too, or it would keep them all."""
    process = psutil.Process(outlived.process.pid)
    before, sent = process.memory_info().rss, 0
    requests = get("/openapi.json") * 20_000
    with connected(outlived, receive_bytes=1, seconds=1) as reader:
        with contextlib.suppress(TimeoutError):
            while sent < 64 * _MEBIBYTE:
                sent += reader.send(requests)
        assert sent < 32 * _MEBIBYTE, "it read on and on"
        assert process.memory_info().rss - before < 32 * _MEBIBYTE
        deadline = time.monotonic() + SEND_SECONDS + 20
        while _knows(process, reader):
            assert time.monotonic() < deadline, "the connection is still there"
            time.sleep(0.2)


def _knows(process: psutil.Process, connection: socket.socket) -> bool:
    """Whether a process still has its end of a connection."""
    return any(each.raddr == connection.getsockname() for each in process.net_connections())


def test_thousands_of_requests_on_one_connection_are_answered_in_turn(outlived: Server) -> None:
    paths = ["/healthz", "/nowhere"] * 1_000
    with connected(outlived, seconds=60) as connection:
        connection.sendall(b"".join(get(path) for path in paths[:-1]))
        connection.sendall(b"GET /info HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        received = b""
        while piece := connection.recv(65_536):
            received += piece
    answers = [part.split(b" ", 1)[0] for part in received.split(b"HTTP/1.1 ")[1:]]
    assert answers == [b"200", b"404"] * 999 + [b"200", b"200"]
