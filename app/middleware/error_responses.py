"""Failures on their way out: application/problem+json (RFC 9457), or OpenAI's shape under /v1.

The one place where a failure becomes a response, whoever raised it.
"""

from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus
from types import MappingProxyType
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from fastapi.routing import iter_route_contexts
from starlette.exceptions import HTTPException
from starlette.middleware.errors import ServerErrorMiddleware
from starlette.types import Scope

from app.errors import (
    CLIENT_CLOSED_REQUEST,
    FAILED,
    PROBLEM_MEDIA_TYPE,
    ClientGone,
    PromptTooLong,
    QueueFull,
    ServiceError,
    UnknownModel,
    problem,
    problem_of,
)
from app.logs import request_id
from app.middleware.request_ids import HEADER
from app.middleware.route_policy import route_path
from app.middleware.unreadable_bodies import unreadable
from app.middleware.wrong_paths import WITHOUT_PREFIX, advice, methods_advice, with_head

OPENAI_PREFIX = "/v1/"
_PLAIN = MappingProxyType(
    {
        "model_attributes_type": "must be a JSON object",
        "model_type": "must be a JSON object",
        "dict_type": "must be a JSON object",
    }
)
"""What is wrong, where Pydantic's own words are of Python."""
_OPENAI_CODES: Mapping[type[ServiceError], str] = {
    PromptTooLong: "context_length_exceeded",
    UnknownModel: "model_not_found",
    QueueFull: "rate_limit_exceeded",
}


def speaks_openai(scope: Scope) -> bool:
    """Whether clients of this path expect errors in the shape of OpenAI's API."""
    path = route_path(scope)
    return f"{path}/".startswith(OPENAI_PREFIX) or path in WITHOUT_PREFIX


def openai_error(body: dict[str, Any], cause: ServiceError | None = None) -> dict[str, Any]:
    """Return a problem in the shape of OpenAI's API; `param` is the first field that is wrong."""
    kind = "server_error" if body["status"] >= 500 else "invalid_request_error"
    if body["status"] == HTTPStatus.TOO_MANY_REQUESTS:
        kind = "rate_limit_error"
    return {
        "error": {
            "message": (cause.spoken_notices if cause else "") + body["detail"],
            "type": kind,
            "param": body["errors"][0]["field"] if "errors" in body else None,
            "code": _OPENAI_CODES.get(type(cause)) if cause else None,
        }
    }


def respond(
    scope: Scope,
    body: dict[str, Any],
    headers: Mapping[str, str] | None = None,
    cause: ServiceError | None = None,
) -> JSONResponse:
    """Return the HTTP response that carries a problem to the client of a request.

    OpenAI's API says 400 where ours says 422, and its clients know no other.
    """
    status = body["status"]
    if speaks_openai(scope):
        openai_status = 400 if status == HTTPStatus.UNPROCESSABLE_ENTITY else status
        return JSONResponse(openai_error(body, cause), openai_status, headers)
    return JSONResponse(body, status, headers, media_type=PROBLEM_MEDIA_TYPE)


def service_error(request: Request, error: Exception) -> JSONResponse:
    """Return the response to a service error; middleware, which no handler covers, calls it too."""
    assert isinstance(error, ServiceError)
    return respond(request.scope, problem_of(error), error.headers, error)


def _http_error(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    status = HTTPStatus(error.status_code)
    detail = error.detail
    if status == HTTPStatus.BAD_REQUEST:  # raised by FastAPI where a body was no text
        found = unreadable(request.headers, error.__cause__)
        if found:
            return respond(request.scope, *found)
    elif detail == HTTPStatus.NOT_FOUND.phrase:
        detail = advice(route_path(request.scope), _paths(request))
    elif detail == HTTPStatus.METHOD_NOT_ALLOWED.phrase:
        allowed = (error.headers or {}).get("Allow", "")
        detail = methods_advice(request.method, allowed)
        return respond(request.scope, problem(status, detail), {"Allow": with_head(allowed)})
    return respond(request.scope, problem(status, detail), error.headers)


def _paths(request: Request) -> set[str]:
    """Return the paths that the service has, those with a model's name as `{model}`."""
    return {str(route.path) for route in iter_route_contexts(request.app.routes)}


def _field(location: tuple[int | str, ...]) -> str:
    """Name a field as the client wrote it: `("body", "question")` is `question`."""
    where, *named = map(str, location)
    return ".".join(named) or where


def _message(item: Mapping[str, Any]) -> str:
    """Say what is wrong with a field; what is not served, by its name and not by Pydantic's types.

    A field that only null or nothing fits is one that this service has no use for.
    """
    kind, context = item["type"], item.get("ctx", {})
    refused = f"this service does not take `{_field(item['loc'])}`"
    if kind in ("extra_forbidden", "none_required") or context.get("max_length") == 0:
        return refused
    if kind == "literal_error":
        return f"{refused} other than {context['expected']}"
    if kind in _PLAIN:
        return _PLAIN[kind]
    if kind == "too_short" and context.get("min_length") == 1:
        return "must not be empty"
    return str(item["msg"]).removeprefix("Value error, ")


def _validation_error(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    if isinstance(error.body, bytes):  # FastAPI parses only what is declared to be JSON
        return _not_json(request)
    found = error.errors()
    if any(item["type"] == "json_invalid" for item in found):
        if compressed := unreadable(request.headers, None):
            return respond(request.scope, *compressed)
        reason = found[0].get("ctx", {}).get("error", "it could not be parsed")
        malformed = problem(HTTPStatus.BAD_REQUEST, f"The body is not valid JSON: {reason}.")
        return respond(request.scope, malformed)
    # The input itself is left out: it may be private, and it may be very long.
    errors = [{"field": _field(item["loc"]), "message": _message(item)} for item in found]
    detail = "; ".join(f"{item['field']}: {item['message']}" for item in errors)
    return respond(request.scope, problem(HTTPStatus.UNPROCESSABLE_ENTITY, detail, errors))


def _not_json(request: Request) -> JSONResponse:
    """Say which content type was sent and which is taken (RFC 9110, section 15.5.16)."""
    content_type = request.headers.get("content-type")
    given = f"is {content_type[:100]!r}" if content_type else "is missing"
    detail = f"The body must be application/json; its Content-Type {given}."
    unsupported = problem(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, detail)
    return respond(request.scope, unsupported, {"Accept": "application/json"})


def _client_gone(_: Request, __: Exception) -> Response:
    return Response(status_code=CLIENT_CLOSED_REQUEST)


def _unexpected(request: Request, _: Exception) -> JSONResponse:
    # The server's own log has the traceback; the client gets none of it, but the id to ask with.
    # Starlette answers this outside of every middleware, so the header is not set there.
    failed = problem(HTTPStatus.INTERNAL_SERVER_ERROR, FAILED)
    return respond(request.scope, failed, {HEADER: request_id.get()})


Handler = Callable[[Request, Exception], Response]


def _in_the_loop(handler: Handler) -> Callable[[Request, Exception], Awaitable[Response]]:
    """Return a handler that Starlette does not run in a thread.

    The hop there and back costs more than it does, and refusals must be fastest when the models are
    busiest.
    """

    async def handle(request: Request, error: Exception) -> Response:
        return handler(request, error)

    return handle


def install(app: FastAPI) -> None:
    """Make every failure of `app` answer as its clients expect; before other middleware."""
    handlers: dict[type[Exception], Handler] = {
        ServiceError: service_error,
        HTTPException: _http_error,
        RequestValidationError: _validation_error,
        ClientGone: _client_gone,
        Exception: _unexpected,
    }
    for kind, handler in handlers.items():
        app.add_exception_handler(kind, _in_the_loop(handler))
    # Starlette calls that one outside all middleware, where a response lacks the headers that they
    # add: a page of another origin could not even read it. So the same stands inside them too.
    app.add_middleware(ServerErrorMiddleware, handler=_in_the_loop(_unexpected))
