"""Requests that no client would send, to every route: each is refused by its own fault, no 5xx."""

import contextlib
import json

import pytest

from app.main import create_app
from app.settings import Settings
from tests.app.faults.wire import connected, everything, post, status
from tests.app.server_process import Server

_ROUTES = [
    (method.upper(), path.replace("{model}", "..%2f..%2fetc%2fpasswd"))
    for path, operations in create_app(Settings()).openapi()["paths"].items()
    for method in operations
]
_SMUGGLED = b"0\r\n\r\nGET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
_DEEP = b"[" * 30_000


def _exchange(server: Server, request: bytes) -> bytes:
    """Send a request and end there; return all that comes back until the server closes."""
    with connected(server, seconds=30) as connection:
        with contextlib.suppress(OSError):  # it may be refused before it is read whole
            connection.sendall(request)
        return everything(connection)


NONSENSE: dict[str, tuple[bytes, int]] = {
    "no HTTP": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400),
    "a control character": (b"GET /info HTTP/1.1\r\nHost: x\r\nX-Request-ID: a\x00b\r\n\r\n", 400),
    "a header within a header": (
        b"GET / HTTP/1.1\r\nHost: x\r\nX-Request-ID: a\rb: c\r\n\r\n",
        400,
    ),
    "two lengths": (post("/answer", b"{}", "Content-Length: 2", "Content-Length: 3"), 400),
    "a negative length": (post("/answer", b"{}", "Content-Length: -2"), 400),
    "an enormous length": (post("/answer", b"{}", "Content-Length: " + "9" * 40), 400),
    "an unknown coding": (post("/answer", b"{}", "Transfer-Encoding: xchunked"), 400),
    "a chunk of no size": (post("/answer", b"zz\r\n", "Transfer-Encoding: chunked"), 400),
    "a space before the colon": (b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length : 3\r\n\r\n", 400),
    "a line that ends in LF": (b"GET / HTTP/1.1\r\nHost: x\nX: y\r\n\r\n", 400),
    "lines that end in LF": (b"GET / HTTP/1.1\nHost: x\n\n", 400),
    "a blank line that ends in LF": (b"GET / HTTP/1.1\r\nHost: x\r\n\n", 400),
    "no host": (b"GET /info HTTP/1.1\r\n\r\n", 400),
    "an endless header": (b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"a" * 1_000_000, 400),
    "an endless path": (b"GET /" + b"a" * 1_000_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n", 400),
    "too many headers": (b"GET / HTTP/1.1\r\nHost: x\r\n" + b"a:\r\n" * 250_000 + b"\r\n", 400),
}


@pytest.mark.parametrize("named", NONSENSE)
def test_what_is_no_request_ends_its_connection(outlived: Server, named: str) -> None:
    request, expected = NONSENSE[named]
    response = _exchange(outlived, request)
    assert status(response) in (expected, 0)  # none where a reset overtook it
    assert response.count(b"HTTP/1.1 ") <= 1


def test_a_body_that_does_not_say_how_long_it_is(outlived: Server) -> None:
    chunk = b"10000\r\n" + b" " * 65_536 + b"\r\n"
    response = _exchange(outlived, post("/answer", chunk * 100, "Transfer-Encoding: chunked"))
    assert status(response) == 413
    assert b"larger than 65536 bytes" in response


@pytest.mark.parametrize("path", ["/answer", "/v1/completions", "/healthz"])
def test_a_request_with_two_ends_is_refused(outlived: Server, path: str) -> None:
    """A proxy that goes by the length would take what follows for a part of the body."""
    request = post(
        path, _SMUGGLED, f"Content-Length: {len(_SMUGGLED)}", "Transfer-Encoding: chunked"
    )
    response = _exchange(outlived, request)
    assert status(response) == 400
    assert response.count(b"HTTP/1.1 ") == 1, "the second request was answered too"
    assert b"exclude each other" in response


def test_lines_of_the_second_request_are_looked_at_too(outlived: Server) -> None:
    first = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
    response = _exchange(outlived, first + b"GET /info HTTP/1.1\nHost: x\n\n")
    assert status(response) == 200
    assert b"HTTP/1.1 400 " in response
    assert response.count(b"HTTP/1.1 ") == 2


@pytest.mark.parametrize("path", ["/healthz", "/nowhere", "/"])
def test_a_body_that_breaks_off_is_no_error_of_ours(outlived: Server, path: str) -> None:
    """The answer was due, but h11 had already said 400 and could say nothing more."""
    request = post(path, b"zz\r\n", "Transfer-Encoding: chunked")
    for _ in range(5):
        assert status(_exchange(outlived, request)) in (400, 0)
    assert "Traceback" not in outlived.output()


BODIES: dict[str, bytes] = {
    "nothing": b"",
    "no UTF-8": b'{"question": "\xff\xfe"}',
    "half a pair": b'{"question": "\\ud800"}',
    "too deep": _DEEP,
    "a deep field": b'{"question": ' + b'{"a":' * 10_000 + b"1" + b"}" * 10_000 + b"}",
    "an enormous number": b'{"question": "?", "max_new_tokens": ' + b"9" * 20_000 + b"}",
    "infinity": b'{"question": "?", "temperature": 1e999}',
    "many stops": json.dumps({"model": "base", "prompt": "a", "stop": ["b"] * 9_000}).encode(),
    "many messages": json.dumps({"model": "base", "messages": [[]] * 9_000}).encode(),
    "too large": b"{" + b" " * 70_000 + b"}",
}


@pytest.mark.parametrize("named", BODIES)
def test_a_malformed_body_to_every_route(outlived: Server, named: str) -> None:
    for method, path in _ROUTES:
        with connected(outlived, seconds=30) as connection:
            request = post(path, BODIES[named], "Connection: close")
            connection.sendall(request.replace(b"POST", method.encode(), 1))
            response = everything(connection)
        if method == "GET" and named != "too large":  # nobody asked for a body
            assert status(response) in (200, 404, 422), (path, response)
        else:
            assert status(response) in (400, 413, 422), (path, response)
            assert b"application/" in response
