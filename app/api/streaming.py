"""Answers on their way out: as server-sent events, or gathered into one JSON body.

Either way the work stops as soon as the client goes away.
"""

import asyncio
import json
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Coroutine
from contextlib import aclosing
from http import HTTPStatus
from typing import Any, NamedTuple, TypeVar

from fastapi import Request
from fastapi.responses import StreamingResponse
from fastapi.sse import KEEPALIVE_COMMENT, EventSourceResponse, format_sse_event
from pydantic import BaseModel

from app.errors import FAILED, ClientGone, ServiceError, problem, problem_of
from app.middleware.error_responses import openai_error, speaks_openai

logger = logging.getLogger(__name__)

HEARTBEAT_SECONDS = 10.0

Result = TypeVar("Result")


class Event(NamedTuple):
    """One server-sent event; text as its body goes out as it is.

    Ours are `token` with a piece of text, `side` with one model's outcome and `done` with the whole
    body; OpenAI's have no name.
    """

    name: str | None
    body: BaseModel | str


def wants_stream(request: Request, stream: bool) -> bool:
    """Whether the client asked for server-sent events, in the body or by its Accept header."""
    return stream or "text/event-stream" in request.headers.get("accept", "")


async def gather(request: Request, events: AsyncGenerator[Event]) -> BaseModel:
    """Return the body of the `done` event.

    Raises:
        ClientGone: the client closed its connection first; the work was cancelled.

    """
    return await while_connected(request, _body(events))


async def only(item: Result) -> AsyncGenerator[Result]:
    """Yield one thing that is there already, where others are still to be made."""
    yield item


async def _body(events: AsyncGenerator[Event]) -> BaseModel:
    async with aclosing(events):
        async for event in events:
            if event.name == "done" and isinstance(event.body, BaseModel):
                return event.body
    raise AssertionError("events end with `done`")


async def while_connected(request: Request, work: Coroutine[Any, Any, Result]) -> Result:
    """Return what `work` returns, or cancel it when the client goes away.

    Raises:
        ClientGone: the client closed its connection first.

    """
    # The body has been read, so the next message can only be the disconnect.
    task = asyncio.create_task(work)
    gone = asyncio.create_task(_disconnect(request))
    try:
        await asyncio.wait({task, gone}, return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            raise ClientGone
        return task.result()
    finally:
        gone.cancel()
        task.cancel()
        await asyncio.gather(task, gone, return_exceptions=True)


async def _disconnect(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


async def stream(request: Request, events: AsyncGenerator[Event]) -> StreamingResponse:
    """Return a response that sends events as they come and comments while there are none.

    A failure before the first event is raised, so that it gets its own HTTP status. A later one
    becomes a last event that says so, whatever it was: a stream never just hangs.

    Raises:
        ClientGone: the client closed its connection before there was anything to send.
    """
    first = asyncio.ensure_future(anext(events))
    try:
        await while_connected(request, _begun(first))
    except BaseException:
        first.cancel()
        await asyncio.gather(first, return_exceptions=True)
        await events.aclose()
        raise
    return EventSourceResponse(
        _lines(request, first, events),
        headers={"Cache-Control": "no-cache", "X-Accel-Buffering": "no"},
    )


async def _begun(first: "asyncio.Future[Event]") -> None:
    """Wait for the first event, its failure, or the moment at which a heartbeat is due."""
    await asyncio.wait({first}, timeout=HEARTBEAT_SECONDS)
    if first.done():
        first.result()


async def _lines(
    request: Request, first: "asyncio.Future[Event]", events: AsyncGenerator[Event]
) -> AsyncIterator[bytes]:
    """Yield the stream's bytes, one event or comment at a time."""
    pending = first
    try:
        while True:
            done, _ = await asyncio.wait({pending}, timeout=HEARTBEAT_SECONDS)
            if not done:
                yield KEEPALIVE_COMMENT
                continue
            yield _line(pending.result())
            pending = asyncio.ensure_future(anext(events))
    except StopAsyncIteration:
        pass
    except ServiceError as error:
        yield _failure(request, problem_of(error), error)
    except Exception:
        logger.exception("a stream failed")
        yield _failure(request, problem(HTTPStatus.INTERNAL_SERVER_ERROR, FAILED))
    finally:
        pending.cancel()
        await asyncio.gather(pending, return_exceptions=True)
        await events.aclose()


def _line(event: Event) -> bytes:
    data = event.body if isinstance(event.body, str) else event.body.model_dump_json()
    return format_sse_event(event=event.name, data_str=data)


def _failure(request: Request, body: dict[str, Any], cause: ServiceError | None = None) -> bytes:
    """Return the event that ends a failed stream, as the clients of this path expect it."""
    if speaks_openai(request.scope):
        return _line(Event(None, json.dumps(openai_error(body, cause))))
    return _line(Event("error", json.dumps(body)))
