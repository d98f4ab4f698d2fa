"""One HTTP request on a connection of its own, by hand: its status, and when its tokens came.

A client library takes as long as a fast server does, and would slow it on the same cores. Knows
nothing about what is asked.
"""

import asyncio
import contextlib
import json
import time
from typing import Any, NamedTuple

import httpx

_LINE_BYTES = 2**22


class Reply(NamedTuple):
    """What came back; times are seconds from opening the connection.

    `status` is 0 where the connection ended without a response. Of a stream, `first_seconds` is
    when the first event with text came, `event` the last event's name and `body` its data; else
    `body` is the response's.
    """

    status: int
    seconds: float
    streamed: bool
    first_seconds: float | None
    event: str
    body: bytes

    @property
    def outcome(self) -> str:
        """Name how it ended: a status, and how a stream or a side that began with 200 failed."""
        if self.status != 200:
            return str(self.status) if self.status else "no response"
        if not self.body.startswith(b"{"):
            ended = not self.streamed or self.body == b"[DONE]"
            return "200" if ended else "200, cut"
        try:
            return f"200{self._failure(json.loads(self.body))}"
        except ValueError:
            return "200, cut"

    def _failure(self, body: dict[str, Any]) -> str:
        """Return what a body that came with 200 says of failure; "" for none."""
        if self.event == "error":
            return f", then {body.get('status')}"
        if "error" in body:
            return f", then {body['error'].get('type')}"
        if self.streamed and self.event != "done":
            return ", cut"
        sides = [body[side] for side in ("fine_tuned", "base") if side in body]
        failed = {str(side["problem"]["status"]) for side in sides if "problem" in side}
        return f", a side {'/'.join(sorted(failed))}" if failed else ""


def request(url: httpx.URL, path: str, body: Any = None, method: str = "", key: str = "") -> bytes:
    """Return a request's bytes; a body that is not bytes already is sent as JSON."""
    authorization = f"Authorization: Bearer {key}\r\n" if key else ""
    content = (
        b"" if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
    )
    return (
        f"{method or ('GET' if body is None else 'POST')} {path} HTTP/1.1\r\n"
        f"Host: {url.host}\r\nConnection: close\r\nContent-Type: application/json\r\n"
        f"{authorization}Content-Length: {len(content)}\r\n\r\n"
    ).encode() + content


async def ask(
    url: httpx.URL, raw: bytes, *, timeout_seconds: float, token_mark: bytes = b""
) -> Reply:
    """Send a request and read to the end; only events that hold `token_mark` count as text.

    Raises:
        TimeoutError: it took longer; the connection is closed.

    """
    started = time.perf_counter()
    status, event, body, first, streamed = 0, "", b"", None, False
    writer: asyncio.StreamWriter | None = None
    try:
        async with asyncio.timeout(timeout_seconds):
            reader, writer = await asyncio.open_connection(url.host, url.port, limit=_LINE_BYTES)
            writer.write(raw)
            with contextlib.suppress(ConnectionError):  # it answered, then closed on the rest
                head = await reader.readline()
                status = int(head.split(b" ", 2)[1]) if head else 0
                while (line := await reader.readline()).strip():
                    streamed |= line.lower().startswith(b"content-type: text/event-stream")
                async for line in reader:
                    if not streamed:
                        body += line
                    elif line.startswith(b"event:"):
                        event = line[6:].strip().decode()
                    elif line.startswith(b"data:"):
                        body = line[5:].strip()
                        if first is None and token_mark in body:
                            first = time.perf_counter() - started
    finally:
        if writer:
            writer.close()
    return Reply(status, time.perf_counter() - started, streamed, first, event, body)
