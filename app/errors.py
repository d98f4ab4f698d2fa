"""Every failure that a client can meet, and the one table from failure to HTTP status.

Knows nothing about models or routes: parts raise these, `install` turns them into
application/problem+json (RFC 9457) in one place, or under /v1 into the errors of OpenAI's API.

    ServiceError
    ├── NotReady            503  starting, draining, or stopped
    ├── InvalidField        422  a field is outside what this service allows
    ├── Unauthorized        401  the request shows no key that this service knows
    ├── Busy                     either of these, and when to ask again
    │   ├── RateLimited     429  this client has asked more often than it may
    │   └── QueueFull       429  every place in the batch and the queue is taken
    ├── NoReferences        404  this service has no index of references
    ├── UnknownModel        404  no model of this name is served
    ├── PromptTooLong       413  the prompt leaves no room in the model's context
    ├── DeadlineExceeded    504  the answer took longer than the service allows
    └── GenerationFailed    503  the model could not finish this answer
    ClientGone                   nobody is there to answer
    CheckpointError              a model directory that must not be served (stops the start)
    └── DeviceError              the device or number format for it cannot be had
    IndexFailure                 an index of references that cannot be read (stops the start)
"""

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from types import MappingProxyType
from typing import Any


class ServiceError(Exception):
    """A request that could not be served; `str(error)` is fit for the client to read.

    `headers` go out with the response; `notices` are what the person who asked must be told though
    there is no answer: kind, text and contact of each,
    and all of them as text for clients that show nothing else.
    """

    headers: Mapping[str, str] = MappingProxyType({})
    retry_after_seconds: int | None = None
    notices: Sequence[Mapping[str, str]] = ()
    spoken_notices: str = ""


class NotReady(ServiceError):
    """The models are not accepting questions: still starting, draining, or stopped."""


class InvalidField(ServiceError):
    """A field's value is outside what this service's settings allow."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(f"{field}: {message}")
        self.errors = [{"field": field, "message": message}]


class Unauthorized(ServiceError):
    """The request shows no API key, or one that this service does not know."""

    headers = MappingProxyType({"WWW-Authenticate": "Bearer"})


class Busy(ServiceError):
    """Nothing is wrong with the request but its moment; `retry_after_seconds` says the next."""

    def __init__(self, message: str, retry_after_seconds: int) -> None:
        super().__init__(message)
        self.retry_after_seconds = retry_after_seconds
        self.headers = {"Retry-After": str(retry_after_seconds)}


class RateLimited(Busy):
    """The client has used up its rate."""


class QueueFull(Busy):
    """Every place is taken; when one frees is an estimate."""


class UnknownModel(ServiceError):
    """No model of this name is served; the message names those that are."""


class NoReferences(ServiceError):
    """There is no index to search; the message says how to make one."""


class PromptTooLong(ServiceError):
    """The prompt's tokens leave no room for an answer in the model's context."""


class DeadlineExceeded(ServiceError):
    """The answer was not finished within the service's deadline."""


class GenerationFailed(ServiceError):
    """The model failed while it made this answer."""


class ClientGone(Exception):
    """The client closed its connection: nobody is there to read the answer, or an error."""


class CheckpointError(Exception):
    """A model directory or hub id that cannot be served; the message names what is wrong."""


class DeviceError(CheckpointError):
    """A device or number format that was asked for and cannot be had; the message says why."""


class IndexFailure(Exception):
    """An index of references that cannot be read; the message names what is wrong."""


STATUS: Mapping[type[ServiceError], HTTPStatus] = {
    InvalidField: HTTPStatus.UNPROCESSABLE_ENTITY,
    NotReady: HTTPStatus.SERVICE_UNAVAILABLE,
    Unauthorized: HTTPStatus.UNAUTHORIZED,
    RateLimited: HTTPStatus.TOO_MANY_REQUESTS,
    QueueFull: HTTPStatus.TOO_MANY_REQUESTS,
    NoReferences: HTTPStatus.NOT_FOUND,
    UnknownModel: HTTPStatus.NOT_FOUND,
    PromptTooLong: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    DeadlineExceeded: HTTPStatus.GATEWAY_TIMEOUT,
    GenerationFailed: HTTPStatus.SERVICE_UNAVAILABLE,
}

FAILED = "The server failed unexpectedly."
CLIENT_CLOSED_REQUEST = 499  # nginx's number for the log; nobody receives it
PROBLEM_MEDIA_TYPE = "application/problem+json"


def problem(
    status: HTTPStatus, detail: str, errors: list[dict[str, str]] | None = None
) -> dict[str, Any]:
    """Return an RFC 9457 problem; `errors` lists `{field, message}` for validation failures."""
    body: dict[str, Any] = {
        "type": "about:blank",
        "title": status.phrase,
        "status": int(status),
        "detail": detail,
    }
    return body | ({"errors": errors} if errors else {})


def problem_of(error: ServiceError) -> dict[str, Any]:
    """Return the problem that describes a service error.

    A stream that has begun has no headers left to say in when to ask again: problems always do.
    """
    errors = error.errors if isinstance(error, InvalidField) else None
    body = problem(STATUS[type(error)], str(error), errors)
    if error.retry_after_seconds is not None:
        body["retry_after_seconds"] = error.retry_after_seconds
    if error.notices:
        body["notices"] = [dict(notice) for notice in error.notices]
    return body
