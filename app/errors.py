"""Every failure that a client can meet, and the one table from failure to HTTP status.

Knows nothing about models or routes: parts raise these, `install` turns them into
application/problem+json (RFC 9457) in one place.

    ServiceError
    ├── NotReady            503  starting, draining, or stopped
    ├── InvalidField        422  a field is outside what this service allows
    ├── QueueFull           429  every place in the batch and the queue is taken
    ├── PromptTooLong       413  the prompt leaves no room in the model's context
    ├── DeadlineExceeded    504  the answer took longer than the service allows
    └── GenerationFailed    503  the model could not finish this answer
    ClientGone                   nobody is there to answer
    CheckpointError              a model directory that must not be served (stops the start)
"""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from starlette.exceptions import HTTPException

from app import request_ids


class ServiceError(Exception):
    """A request that could not be served; `str(error)` is fit for the client to read."""


class NotReady(ServiceError):
    """The models are not accepting questions: still starting, draining, or stopped."""


class InvalidField(ServiceError):
    """A field's value is outside what this service's settings allow."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(f"{field}: {message}")
        self.errors = [{"field": field, "message": message}]


class QueueFull(ServiceError):
    """Every place is taken; `retry_after_seconds` estimates when one frees."""

    def __init__(self, message: str, retry_after_seconds: int) -> None:
        super().__init__(message)
        self.retry_after_seconds = retry_after_seconds


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


def _service_error(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, ServiceError)
    headers = {}
    if isinstance(error, QueueFull):
        headers["Retry-After"] = str(error.retry_after_seconds)
    return respond(problem_of(error), headers)


def _http_error(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    return respond(problem(HTTPStatus(error.status_code), error.detail), error.headers)


def _field(location: tuple[int | str, ...]) -> str:
    """Name a field as the client wrote it: `("body", "question")` is `question`."""
    named = [str(part) for part in location if part != "body"]
    return ".".join(named) or "body"


def _validation_error(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    found = error.errors()
    if any(item["type"] == "json_invalid" for item in found):
        reason = found[0].get("ctx", {}).get("error", "it could not be parsed")
        return respond(problem(HTTPStatus.BAD_REQUEST, f"The body is not valid JSON: {reason}."))
    # The input itself is left out: it may be private, and it may be very long.
    errors = [{"field": _field(item["loc"]), "message": item["msg"]} for item in found]
    detail = "; ".join(f"{item['field']}: {item['message']}" for item in errors)
    return respond(problem(HTTPStatus.UNPROCESSABLE_ENTITY, detail, errors))


def _client_gone(_: Request, __: Exception) -> Response:
    return Response(status_code=CLIENT_CLOSED_REQUEST)


def _unexpected(_: Request, __: Exception) -> JSONResponse:
    # The server's own log has the traceback; the client gets none of it, but the id to ask with.
    # Starlette answers this outside of every middleware, so the header is not set there.
    failed = problem(HTTPStatus.INTERNAL_SERVER_ERROR, FAILED)
    return respond(failed, {request_ids.HEADER: request_ids.current()})


def install(app: FastAPI) -> None:
    """Make every failure of `app` answer with a problem document."""
    app.add_exception_handler(ServiceError, _service_error)
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(RequestValidationError, _validation_error)
    app.add_exception_handler(ClientGone, _client_gone)
    app.add_exception_handler(Exception, _unexpected)
