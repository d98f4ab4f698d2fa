"""Every failure that a client can meet, and the one table from failure to HTTP status.

Knows nothing about models or routes: parts raise these, `install` turns them into
application/problem+json (RFC 9457) in one place, or under /v1 into the errors of OpenAI's API.

    ServiceError
    ├── NotReady            503  starting, draining, or stopped
    ├── InvalidField        422  a field is outside what this service allows
    ├── QueueFull           429  every place in the batch and the queue is taken
    ├── UnknownModel        404  no model of this name is served
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


class UnknownModel(ServiceError):
    """No model of this name is served; the message names those that are."""


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
    UnknownModel: HTTPStatus.NOT_FOUND,
    PromptTooLong: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    DeadlineExceeded: HTTPStatus.GATEWAY_TIMEOUT,
    GenerationFailed: HTTPStatus.SERVICE_UNAVAILABLE,
}

FAILED = "The server failed unexpectedly."
_CLIENT_CLOSED_REQUEST = 499  # nginx's number for the log; nobody receives it
PROBLEM_MEDIA_TYPE = "application/problem+json"

_OPENAI_PREFIX = "/v1/"
_OPENAI_CODES: Mapping[type[ServiceError], str] = {
    PromptTooLong: "context_length_exceeded",
    UnknownModel: "model_not_found",
    QueueFull: "rate_limit_exceeded",
}


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


def speaks_openai(path: str) -> bool:
    """Whether clients of this path expect errors in the shape of OpenAI's API."""
    return path.startswith(_OPENAI_PREFIX)


def openai_error(body: dict[str, Any], cause: ServiceError | None = None) -> dict[str, Any]:
    """Return a problem in the shape of OpenAI's API; `param` is the first field that is wrong."""
    kind = "server_error" if body["status"] >= 500 else "invalid_request_error"
    if body["status"] == HTTPStatus.TOO_MANY_REQUESTS:
        kind = "rate_limit_error"
    return {
        "error": {
            "message": body["detail"],
            "type": kind,
            "param": body["errors"][0]["field"] if "errors" in body else None,
            "code": _OPENAI_CODES.get(type(cause)) if cause else None,
        }
    }


def respond(
    path: str,
    body: dict[str, Any],
    headers: Mapping[str, str] | None = None,
    cause: ServiceError | None = None,
) -> JSONResponse:
    """Return the HTTP response that carries a problem to a client of `path`.

    OpenAI's API says 400 where ours says 422, and its clients know no other.
    """
    status = body["status"]
    if speaks_openai(path):
        openai_status = 400 if status == HTTPStatus.UNPROCESSABLE_ENTITY else status
        return JSONResponse(openai_error(body, cause), openai_status, headers)
    return JSONResponse(body, status, headers, media_type=PROBLEM_MEDIA_TYPE)


def _service_error(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, ServiceError)
    headers = {}
    if isinstance(error, QueueFull):
        headers["Retry-After"] = str(error.retry_after_seconds)
    return respond(request.url.path, problem_of(error), headers, error)


def _http_error(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    found = problem(HTTPStatus(error.status_code), error.detail)
    return respond(request.url.path, found, error.headers)


def _field(location: tuple[int | str, ...]) -> str:
    """Name a field as the client wrote it: `("body", "question")` is `question`."""
    named = [str(part) for part in location if part != "body"]
    return ".".join(named) or "body"


def _validation_error(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    found = error.errors()
    if any(item["type"] == "json_invalid" for item in found):
        reason = found[0].get("ctx", {}).get("error", "it could not be parsed")
        malformed = problem(HTTPStatus.BAD_REQUEST, f"The body is not valid JSON: {reason}.")
        return respond(request.url.path, malformed)
    # The input itself is left out: it may be private, and it may be very long.
    errors = [{"field": _field(item["loc"]), "message": item["msg"]} for item in found]
    detail = "; ".join(f"{item['field']}: {item['message']}" for item in errors)
    return respond(request.url.path, problem(HTTPStatus.UNPROCESSABLE_ENTITY, detail, errors))


def _client_gone(_: Request, __: Exception) -> Response:
    return Response(status_code=_CLIENT_CLOSED_REQUEST)


def _unexpected(request: Request, _: Exception) -> JSONResponse:
    # The server's own log has the traceback; the client gets none of it.
    return respond(request.url.path, problem(HTTPStatus.INTERNAL_SERVER_ERROR, FAILED))


def install(app: FastAPI) -> None:
    """Make every failure of `app` answer in the shape that its clients expect."""
    app.add_exception_handler(ServiceError, _service_error)
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(RequestValidationError, _validation_error)
    app.add_exception_handler(ClientGone, _client_gone)
    app.add_exception_handler(Exception, _unexpected)
