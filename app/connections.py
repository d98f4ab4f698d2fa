"""How many connections there may be, and how long one may be held without asking or reading.

Uvicorn's own settings bound only how long a connection is idle between two requests. Knows nothing
about what is asked; a body that is awaited has its own deadline, in `body_limit`.
"""

import asyncio
import logging
import resource
import socket
import time
from dataclasses import dataclass
from functools import partial
from typing import Any, cast

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol, RequestResponseCycle

from app.line_ends import StrictConnection

logger = logging.getLogger(__name__)

_KEPT_DESCRIPTORS = 32
"""For what is no connection: files, the models' processes, listening sockets, Redis, traces."""
_LONGEST_BACKLOG = 2048
_BURSTS = 2
"""Backlogs that asyncio may accept before the first of their connections is counted, and those that
make room for it are closed: each of these takes another turn of the event loop."""
_QUIET_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class ConnectionLimits:
    """Longest waits for a client to send and to read; the most connections at the same time."""

    receive_seconds: float
    send_seconds: float
    connections: int
    backlog: int
    """Connections that the kernel holds, and may hand over at once."""

    @classmethod
    def within_descriptors(cls, receive_seconds: float, send_seconds: float) -> "ConnectionLimits":
        """Return limits that this process' file descriptors are enough for (`ulimit -n`)."""
        soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        if soft == resource.RLIM_INFINITY:
            soft = 1 << 20
        room = max(4, soft - _KEPT_DESCRIPTORS)
        backlog = max(1, min(_LONGEST_BACKLOG, room // (2 * _BURSTS)))
        most = max(2, room - _BURSTS * backlog)
        return cls(receive_seconds, send_seconds, most, backlog)


class OpenConnections:
    """All connections, and which of them only wait for their clients to ask, the longest first.

    Where there are too many, the one that has waited longest makes room: it costs its client a new
    connection, and idle ones cannot lock everybody else out.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._count = 0
        self._waiting: dict[BoundedProtocol, None] = {}
        self._told_at = -_QUIET_SECONDS

    def opened(self) -> bool:
        """Count a new connection; return whether there is room for it."""
        self._count += 1
        if self._count <= self._most:
            return True
        self._tell()
        oldest = next(iter(self._waiting), None)
        if oldest is None:
            return False
        self._waiting.pop(oldest)
        oldest.transport.abort()
        return True

    def waits(self, protocol: "BoundedProtocol") -> None:
        """Note that a connection's client owes a request."""
        self._waiting.setdefault(protocol)

    def works(self, protocol: "BoundedProtocol") -> None:
        """Note that a connection's client has asked."""
        self._waiting.pop(protocol, None)

    def closed(self, protocol: "BoundedProtocol") -> None:
        """Count a connection that is gone."""
        self._count -= 1
        self._waiting.pop(protocol, None)

    def _tell(self) -> None:
        """Say so, but not for each of thousands."""
        if time.monotonic() - self._told_at >= _QUIET_SECONDS:
            self._told_at = time.monotonic()
            logger.warning(
                "%d connections are open, the most that file descriptors allow: idle ones are "
                "closed to make room (ulimit -n)",
                self._most,
            )


class BoundedProtocol(H11Protocol):
    """Uvicorn's protocol over h11, closing connections whose clients take too long.

    Holding a connection costs a client nothing, and the process a file descriptor: one that sends
    its headers byte by byte, or nothing at all, or a body that nobody waits for any more, is closed
    after `receive_seconds`. One that does not read what was sent is closed after `send_seconds`, by
    the kernel (TCP_USER_TIMEOUT, on Linux): it knows what arrived, and needs no timer of ours.
    """

    def __init__(self, limits: ConnectionLimits, among: OpenConnections, **more: Any) -> None:
        super().__init__(**more)
        longest = self.config.h11_max_incomplete_event_size
        assert longest is not None, "a setting of ours"
        self.conn = StrictConnection(h11.SERVER, longest)
        self._limits = limits
        self._among = among
        self._deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # TCP has this kind alone
        """Begin to wait for the first request."""
        super().connection_made(transport)
        if not self._among.opened():
            transport.abort()
            return
        connection = transport.get_extra_info("socket")
        # asyncio does so only for sockets that were made for TCP by name, which uvicorn's are not:
        # the body of a response would wait 40 ms for the client to confirm its headers.
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if hasattr(socket, "TCP_USER_TIMEOUT"):
            milliseconds = int(self._limits.send_seconds * 1_000)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, milliseconds)
        self._watch()

    def data_received(self, data: bytes) -> None:
        """Take bytes, and see what is owed after them."""
        super().data_received(data)
        self._watch()

    def send_400_response(self, msg: str) -> None:
        """Say that it is no HTTP; whoever answers what came before it can say nothing any more."""
        super().send_400_response(msg)
        cycle: RequestResponseCycle | None = self.cycle
        if cycle is not None:
            cycle.disconnected = True

    def on_response_complete(self) -> None:
        """Begin to wait for the rest of a body that nobody read, if there is one."""
        super().on_response_complete()
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop waiting."""
        self._stop_watching()
        self._among.closed(self)
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
            self._among.works(self)
            return
        self._among.waits(self)
        if self._deadline is None:  # bytes that trickle in do not move it
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
    among = OpenConnections(limits.connections)
    return cast("type[asyncio.Protocol]", partial(BoundedProtocol, limits, among))
