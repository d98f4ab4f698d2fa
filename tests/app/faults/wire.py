"""Requests as bytes on a socket, for what no client library would ever send."""

import json
import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tests.app.server_process import Server

QUESTION = "What is asthma?"


@contextmanager
def connected(
    server: Server, *, receive_bytes: int = 0, seconds: float = 10
) -> Iterator[socket.socket]:
    """Yield a connection; `receive_bytes` is the little that its buffer takes from the server."""
    connection = socket.socket()
    if receive_bytes:  # before connecting: it is announced then
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
    connection.settimeout(seconds)
    connection.connect(("127.0.0.1", server.port))
    with connection:
        yield connection


def get(path: str) -> bytes:
    return f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode()


def post(path: str, body: bytes, *headers: str, content_type: str = "application/json") -> bytes:
    lines = [f"POST {path} HTTP/1.1", "Host: x", f"Content-Type: {content_type}", *headers]
    if not any(line.lower().startswith(("content-length", "transfer-enc")) for line in headers):
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


def asking(path: str = "/answer", **more: Any) -> bytes:
    """Return a whole request with a question."""
    return post(path, json.dumps({"question": QUESTION} | more).encode())


def everything(connection: socket.socket) -> bytes:
    """Return what comes until the server closes; a reset is an end as well."""
    received = b""
    try:
        while piece := connection.recv(65_536):
            received += piece
    except ConnectionResetError:
        pass
    return received


def status(response: bytes) -> int:
    """Return the status of the first response in the bytes; 0 where there is none."""
    return int(response.split(b" ", 2)[1]) if response.startswith(b"HTTP/") else 0


def reset(connection: socket.socket) -> None:
    """Close it as a client that crashed: the server sees a reset."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()
