"""What became of each request: a record, filled while it is served, then handed to observers.

Knows nothing about metrics, logs or traces, nor about what any route does: answers register
themselves by context, so a new route is observed without a line of its own.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field
from http import HTTPStatus

from fastapi.routing import iter_route_contexts
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.answering.answer import Attempt
from app.errors import CLIENT_CLOSED_REQUEST, STATUS, ServiceError
from app.middleware.route_policy import route_path

UNMATCHED = "unmatched"


@dataclass(slots=True)
class RequestRecord:
    """One HTTP request: what it asked of the service, and how that ended.

    `route` is a route's template or "unmatched", never the path itself, which a client may fill
    with anything. `status` is the status that the client received, with two exceptions: 499 once
    the client has gone, and the failure's own for a stream that began with 200 and then failed.
    """

    method: str
    route: str
    client: str
    status: int = 0
    key: str = ""
    """The name of the API key that it showed, where keys are set."""
    seconds: float = 0.0
    attempts: list[Attempt] = field(default_factory=list)

    @property
    def model(self) -> str:
        """Which model was asked: its name, "both", or "" for none."""
        models = {attempt.model for attempt in self.attempts}
        return "both" if len(models) > 1 else next(iter(models), "")

    @property
    def finish_reason(self) -> str:
        """Why its answers ended: "mixed" when they differ, "" when there is none."""
        reasons = {attempt.answer.finish_reason for attempt in self.attempts if attempt.answer}
        return "mixed" if len(reasons) > 1 else next(iter(reasons), "")


Observer = Callable[[RequestRecord], None]

_current: ContextVar[RequestRecord | None] = ContextVar("request_record", default=None)


def register(attempt: Attempt) -> None:
    """Add an answer to the record of the request it is made for; outside of any, do nothing."""
    if record := _current.get():
        record.attempts.append(attempt)


class Observing:
    """ASGI middleware that keeps a record of each request and hands it on when it is over."""

    def __init__(self, app: ASGIApp, observers: Sequence[Observer]) -> None:
        self._app = app
        self._observers = observers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, watched."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        client = scope.get("client")
        record = RequestRecord(scope["method"], route_template(scope), client[0] if client else "")
        exchange = _Exchange(receive, send)
        started = time.perf_counter()
        token = _current.set(record)
        try:
            await self._app(scope, exchange.receive, exchange.send)
        except asyncio.CancelledError:
            exchange.status = HTTPStatus.SERVICE_UNAVAILABLE  # the server stopped first
            raise
        except Exception:
            exchange.status = HTTPStatus.INTERNAL_SERVER_ERROR
            raise
        finally:
            _current.reset(token)
            record.key = scope.get("state", {}).get("api_key", "")
            record.seconds = time.perf_counter() - started
            record.status = _status(exchange, record.attempts)
            for observe in self._observers:
                observe(record)


class _Exchange:
    """Both directions of one request, watched for its status, its end and a client that leaves."""

    def __init__(self, receive: Receive, send: Send) -> None:
        self._receive = receive
        self._send = send
        self.status = 0
        self.answered = False
        self.abandoned = False

    async def receive(self) -> Message:
        message = await self._receive()
        if message["type"] == "http.disconnect" and not self.answered:
            self.abandoned = True
        return message

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
        elif message["type"] == "http.response.body":
            # Before it is sent: the server reports a disconnect as soon as the last byte is out.
            self.answered = not message.get("more_body", False)
        await self._send(message)


def _status(exchange: _Exchange, attempts: Sequence[Attempt]) -> int:
    if exchange.abandoned and not exchange.answered:
        return CLIENT_CLOSED_REQUEST
    failures = [attempt.error for attempt in attempts if attempt.error]
    if exchange.status == HTTPStatus.OK and failures and len(failures) == len(attempts):
        error = failures[0]
        if isinstance(error, ServiceError):
            return STATUS[type(error)]
        return HTTPStatus.INTERNAL_SERVER_ERROR
    return exchange.status


def route_template(scope: Scope) -> str:
    """Return the template of the route that a path belongs to.

    From the routes and not from the scope that routing leaves behind: what is refused before it
    is routed (a body too large, a key missing) has a route too.
    """
    path = route_path(scope)
    for route in iter_route_contexts(scope["app"].routes):
        if route.path_regex and route.path_regex.match(path):
            return str(route.path_format)
    return UNMATCHED
