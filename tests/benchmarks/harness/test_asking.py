"""How a reply is judged: whole, refused, cut, or failed after it began."""

import asyncio
import json

import httpx
import pytest

from benchmarks.harness.asking import Reply, ask, request

_STREAM = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n"


async def _reply(response: bytes) -> Reply:
    """Ask a server that gives these bytes and closes the connection."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(response)
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1") as server:
        port = server.sockets[0].getsockname()[1]
        url = httpx.URL(f"http://127.0.0.1:{port}")
        return await ask(url, request(url, "/answer", {}), timeout_seconds=10)


def _json(body: object) -> bytes:
    return b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n" + json.dumps(body).encode()


@pytest.mark.parametrize(
    ("response", "outcome"),
    [
        (b"", "no response"),
        (b"HTTP/1.1 429 Too Many Requests\r\n\r\n{}", "429"),
        (b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n<p>", "200"),
        (_json({"answer": "x"}), "200"),
        (_json({"fine_tuned": {}, "base": {"problem": {"status": 504}}}), "200, a side 504"),
        (_STREAM + b'event: token\ndata: {"text": "a"}\n\nevent: done\ndata: {}\n\n', "200"),
        (_STREAM + b'event: token\ndata: {"text": "a"}\n\n', "200, cut"),
        (_STREAM + b'event: error\ndata: {"status": 503}\n\n', "200, then 503"),
        (_STREAM + b'data: {"choices": []}\n\ndata: [DONE]\n\n', "200"),
        (_STREAM + b'data: {"choices": []}\n\n', "200, cut"),
        (_STREAM + b'data: {"error": {"type": "server_error"}}\n\n', "200, then server_error"),
    ],
)
async def test_names_how_a_request_ended(response: bytes, outcome: str) -> None:
    assert (await _reply(response)).outcome == outcome


async def test_the_first_text_is_timed() -> None:
    assert (await _reply(_STREAM + b'event: token\ndata: {"text": "a"}\n\n')).first_seconds
    assert (await _reply(_json({}))).first_seconds is None
