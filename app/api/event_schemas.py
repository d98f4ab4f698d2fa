"""What the events of a stream hold, as the OpenAPI document says it.

OpenAPI 3.1 has the schema of `text/event-stream` describe each event; its fields are those of the
event's lines, and `data` is text that holds JSON (3.2 calls the same thing `itemSchema`).
"""

from typing import Any

from pydantic import BaseModel

from app.api.openai_replies import ChatChunk, Completion, ErrorResponse
from app.api.reference_schemas import NoticeBody, ReferencesBody
from app.api.schemas import (
    AnswerResponse,
    CompareResponse,
    Problem,
    SideBody,
    TokenBody,
)

STREAMED: tuple[type[BaseModel], ...] = (
    NoticeBody,
    TokenBody,
    ReferencesBody,
    SideBody,
    ChatChunk,
)
"""Bodies that are sent as events only, so that no route declares them."""


def reference_to(schema: str) -> dict[str, Any]:
    """Return the reference to a schema of the document."""
    return {"$ref": f"#/components/schemas/{schema}"}


def _json(*bodies: type[BaseModel]) -> dict[str, Any]:
    held = [reference_to(body.__name__) for body in bodies]
    content = held[0] if len(held) == 1 else {"anyOf": held}
    return {"type": "string", "contentMediaType": "application/json", "contentSchema": content}


def _event(title: str, name: str, body: type[BaseModel], says: str) -> dict[str, Any]:
    return {
        "title": title,
        "description": says,
        "type": "object",
        "required": ["event", "data"],
        "properties": {"event": {"type": "string", "const": name}, "data": _json(body)},
    }


def _either(title: str, says: str, *events: str) -> dict[str, Any]:
    return {"title": title, "description": says, "oneOf": [reference_to(event) for event in events]}


def _chunk(title: str, body: type[BaseModel]) -> dict[str, Any]:
    return {
        "title": title,
        "description": "An event without a name: a chunk, an error that ends the stream, or the "
        "text `[DONE]`, which ends it otherwise.",
        "type": "object",
        "required": ["data"],
        "properties": {
            "data": {
                "anyOf": [{"type": "string", "const": "[DONE]"}, _json(body, ErrorResponse)],
            }
        },
    }


_NAMED = [
    _event("NoticeEvent", "notice", NoticeBody, "One for each notice, before all else."),
    _event("TokenEvent", "token", TokenBody, "A piece of one model's answer."),
    _event("ReferencesEvent", "references", ReferencesBody, "As soon as they are found."),
    _event("SideEvent", "side", SideBody, "One model is done, or has failed."),
    _event("AnswerDoneEvent", "done", AnswerResponse, "The last: the whole body."),
    _event("CompareDoneEvent", "done", CompareResponse, "The last: the whole body."),
    _event("ErrorEvent", "error", Problem, "The last: why there is no more."),
]
_STREAMS = [
    _either(
        "AnswerEvent",
        "An event of `/answer`.",
        "NoticeEvent",
        "TokenEvent",
        "ReferencesEvent",
        "AnswerDoneEvent",
        "ErrorEvent",
    ),
    _either(
        "CompareEvent",
        "An event of `/compare`.",
        "NoticeEvent",
        "TokenEvent",
        "ReferencesEvent",
        "SideEvent",
        "CompareDoneEvent",
        "ErrorEvent",
    ),
    _chunk("CompletionEvent", Completion),
    _chunk("ChatCompletionEvent", ChatChunk),
]
EVENTS: dict[str, dict[str, Any]] = {schema["title"]: schema for schema in _NAMED + _STREAMS}


def streamed(event: str, says: str) -> dict[int | str, dict[str, Any]]:
    """Return what a route's success looks like when it may also come as events.

    Args:
        event: the schema of each event, one of `EVENTS`.
        says: what comes in which order.

    """
    content = {"text/event-stream": {"schema": reference_to(event)}}
    return {200: {"description": says, "content": content}}
