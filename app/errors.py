"""Every failure that a client can meet, and the one table from failure to HTTP status.

Knows nothing about models or routes: parts raise these, `install` turns them into
application/problem+json (RFC 9457) in one place.

    ServiceError
    ├── NotReady            503  starting, draining, or stopped
    ├── InvalidField        422  a field is outside what this service allows
    ├── Unauthorized        401  the request shows no key that this service knows
    ├── RateLimited         429  this client has asked more often than it may
    ├── QueueFull           429  every place in the batch and the queue is taken
    ├── PromptTooLong       413  the prompt leaves no room in the model's context
    ├── DeadlineExceeded    504  the answer took longer than the service allows
    └── GenerationFailed    503  the model could not finish this answer
    ClientGone                   nobody is there to answer
    CheckpointError              a model directory that must not be served (stops the start)
"""

from collections.abc import Mapping
from http import HTTPStatus
from types import MappingProxyType
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from starlette.exceptions import HTTPException
from starlette.middleware.errors import ServerErrorMiddleware

from app import request_ids


class ServiceError(Exception):
    """A request that could not be served; `str(error)` is fit for the client to read.

    `headers` go out with the response.
    """

    headers: Mapping[str, str] = MappingProxyType({})


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


class RateLimited(ServiceError):
    """The client has used up its rate; `retry_after_seconds` says when it may ask again."""

    def __init__(self, message: str, retry_after_seconds: int) -> None:
        super().__init__(message)
        self.headers = {"Retry-After": str(retry_after_seconds)}


class QueueFull(ServiceError):
    """Every place is taken; `retry_after_seconds` estimates when one frees."""

    def __init__(self, message: str, retry_after_seconds: int) -> None:
        super().__init__(message)
        self.headers = {"Retry-After": str(retry_after_seconds)}


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


STATUS: Mapping[type[ServiceError], HTTPStatus] = {
    InvalidField: HTTPStatus.UNPROCESSABLE_ENTITY,
    NotReady: HTTPStatus.SERVICE_UNAVAILABLE,
    Unauthorized: HTTPStatus.UNAUTHORIZED,
    RateLimited: HTTPStatus.TOO_MANY_REQUESTS,
    QueueFull: HTTPStatus.TOO_MANY_REQUESTS,
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
    """Return the problem that describes a service error."""
    errors = error.errors if isinstance(error, InvalidField) else None
    return problem(STATUS[type(error)], str(error), errors)


def respond(body: dict[str, Any], headers: Mapping[str, str] | None = None) -> JSONResponse:
    """Return the HTTP response that carries a problem."""
    return JSONResponse(body, body["status"], headers, media_type=PROBLEM_MEDIA_TYPE)


def service_error(_: Request, error: Exception) -> JSONResponse:
    """Return the response to a service error; middleware, which no handler covers, calls it too."""
    assert isinstance(error, ServiceError)
    return respond(problem_of(error), error.headers)


def _http_error(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    return respond(problem(HTTPStatus(error.status_code), error.detail), error.headers)


def _field(location: tuple[int | str, ...]) -> str:
    """Name a field as the client wrote it: `("body", "question")` is `question`."""
    named = [str(part) for part in location if part != "body"]
    return ".".join(named) or "body"


def _validation_error(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    if isinstance(error.body, bytes):  # FastAPI parses only what is declared to be JSON
        return _not_json(request.headers.get("content-type"))
    found = error.errors()
    if any(item["type"] == "json_invalid" for item in found):
        reason = found[0].get("ctx", {}).get("error", "it could not be parsed")
        return respond(problem(HTTPStatus.BAD_REQUEST, f"The body is not valid JSON: {reason}."))
    # The input itself is left out: it may be private, and it may be very long.
    errors = [{"field": _field(item["loc"]), "message": item["msg"]} for item in found]
    detail = "; ".join(f"{item['field']}: {item['message']}" for item in errors)
    return respond(problem(HTTPStatus.UNPROCESSABLE_ENTITY, detail, errors))


def _not_json(content_type: str | None) -> JSONResponse:
    """Say which content type was sent and which is taken (RFC 9110, section 15.5.16)."""
    given = f"is {content_type[:100]!r}" if content_type else "is missing"
    detail = f"The body must be application/json; its Content-Type {given}."
    unsupported = problem(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, detail)
    return respond(unsupported, {"Accept": "application/json"})


def _client_gone(_: Request, __: Exception) -> Response:
    return Response(status_code=CLIENT_CLOSED_REQUEST)


def _unexpected(_: Request, __: Exception) -> JSONResponse:
    # The server's own log has the traceback; the client gets none of it, but the id to ask with.
    # Starlette answers this outside of every middleware, so the header is not set there.
    failed = problem(HTTPStatus.INTERNAL_SERVER_ERROR, FAILED)
    return respond(failed, {request_ids.HEADER: request_ids.current()})


def install(app: FastAPI) -> None:
    """Make every failure of `app` answer with a problem document; before other middleware."""
    app.add_exception_handler(ServiceError, service_error)
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(RequestValidationError, _validation_error)
    app.add_exception_handler(ClientGone, _client_gone)
    app.add_exception_handler(Exception, _unexpected)
    # Starlette calls that one outside all middleware, where a response lacks the headers that they
    # add: a page of another origin could not even read it. So the same stands inside them too.
    app.add_middleware(ServerErrorMiddleware, handler=_unexpected)
