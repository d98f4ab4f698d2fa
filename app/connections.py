"""How long one connection may be held: time to send a request, time to read the answer.

Uvicorn's own settings bound only how long a connection is idle between two requests. Knows nothing
about what is asked; a body that is awaited has its own deadline, in `body_limit`.
"""

import asyncio
import socket
from dataclasses import dataclass
from functools import partial
from typing import Any, cast

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol, RequestResponseCycle


@dataclass(frozen=True, slots=True)
class ConnectionLimits:
    """Longest waits for a client to send and to read."""

    receive_seconds: float
    send_seconds: float


class BoundedProtocol(H11Protocol):
    """Uvicorn's protocol over h11, closing connections whose clients take too long.

    Holding a connection costs a client nothing, and the process a file descriptor: one that sends
    its headers byte by byte, or nothing at all, or a body that nobody waits for any more, is closed
    after `receive_seconds`. One that does not read what was sent is closed after `send_seconds`, by
    the kernel (TCP_USER_TIMEOUT, on Linux): it knows what arrived, and needs no timer of ours.
    """

    def __init__(self, limits: ConnectionLimits, **more: Any) -> None:
        super().__init__(**more)
        self._limits = limits
        self._deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for the first request."""
        super().connection_made(transport)
        if hasattr(socket, "TCP_USER_TIMEOUT"):
            milliseconds = int(self._limits.send_seconds * 1_000)
            connection = transport.get_extra_info("socket")
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, milliseconds)
        self._watch()

    def data_received(self, data: bytes) -> None:
        """Take bytes, and see what is owed after them."""
        super().data_received(data)
        self._watch()

    def on_response_complete(self) -> None:
        """Begin to wait for the rest of a body that nobody read, if there is one."""
        super().on_response_complete()
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop waiting."""
        self._stop_watching()
        super().connection_lost(exc)

    @property
    def _awaited(self) -> bool:
        """Whether the client owes bytes that no part of the application waits for."""
        cycle: RequestResponseCycle | None = self.cycle  # none yet, whatever upstream declares
        if cycle is None:
            return True
        if not cycle.response_complete:
            return False
        begun = bool(self.conn.trailing_data[0])
        return begun or self.conn.their_state is h11.SEND_BODY

    def _watch(self) -> None:
        if not self._awaited:
            self._stop_watching()
        elif self._deadline is None:  # bytes that trickle in do not move it
            self._deadline = self.loop.call_later(self._limits.receive_seconds, self._cut_off)

    def _stop_watching(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _cut_off(self) -> None:
        self._deadline = None
        self.transport.close()


def bounded_by(limits: ConnectionLimits) -> type[asyncio.Protocol]:
    """Return what uvicorn calls for each connection, as its setting `http` takes it."""
    return cast("type[asyncio.Protocol]", partial(BoundedProtocol, limits))
