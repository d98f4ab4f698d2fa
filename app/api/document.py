"""The OpenAPI document: what FastAPI reads off the routes, and what it cannot see there.

That is failures of a media type other than a route's own, the events of streams, and keys, which
middleware asks for. Every schema has a name of its own, as generated clients make classes of them.
"""

import json
from collections.abc import Sequence
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI
from fastapi.routing import APIRoute
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from app.api.event_schemas import EVENTS, STREAMED, reference_to
from app.api.openai_replies import ErrorResponse
from app.api.schemas import Problem
from app.errors import PROBLEM_MEDIA_TYPE
from app.middleware.error_responses import OPENAI_PREFIX
from app.middleware.route_policy import needs_key

Responses = dict[int | str, dict[str, Any]]

_SECURITY_SCHEMES = {
    "bearer": {"type": "http", "scheme": "bearer", "description": "An API key."},
    "header": {"type": "apiKey", "in": "header", "name": "X-API-Key", "description": "The same."},
}
_HEADERS: dict[int, tuple[str, str, str]] = {
    401: ("WWW-Authenticate", "string", "How to show a key."),
    429: ("Retry-After", "integer", "Seconds until it is worth asking again."),
}


def problems(*statuses: int) -> Responses:
    """Return what a route's failures look like: problem documents, whatever the status."""
    return {status: _failure(status, PROBLEM_MEDIA_TYPE, Problem) for status in statuses}


def operation_id(route: APIRoute) -> str:
    """Return the name that generated clients give an operation: that of the route."""
    return route.name


def complete(app: FastAPI, keys: bool) -> None:
    """Have the document of `app` hold all that its routes do not tell, and whether keys are set."""
    derived = app.openapi

    def completed() -> dict[str, Any]:
        if app.openapi_schema is None:
            document = derived()
            _name_schemas(document, [Problem, *STREAMED])
            _say_defaults(document)
            if keys:
                _declare_keys(document)
        return derived()

    app.openapi = completed  # type: ignore[method-assign]  # as FastAPI's documentation has it


def _name_schemas(document: dict[str, Any], models: Sequence[type[BaseModel]]) -> None:
    """Add the schemas that no route returns as its own body."""
    _, found = models_json_schema(
        [(model, "serialization") for model in models], ref_template=reference_to("{model}")["$ref"]
    )
    for schema in found["$defs"].values():
        for field in schema["properties"].values():
            if field.get("default", ...) is None:  # FastAPI leaves it out of its own as well
                del field["default"]
    named = found["$defs"] | EVENTS | document["components"]["schemas"]
    document["components"]["schemas"] = dict(sorted(named.items()))


def _say_defaults(document: dict[str, Any]) -> None:
    """Say the defaults of requests in words.

    Of a `default`, generators make a field that clients must send (openapi-typescript), or always
    do (openapi-python-client), whatever the service's own default has become since.
    """
    schemas = document["components"]["schemas"]
    for operations in document["paths"].values():
        for operation in operations.values():
            for content in operation.get("requestBody", {}).get("content", {}).values():
                name = content["schema"]["$ref"].rpartition("/")[2]
                for field in schemas[name]["properties"].values():
                    if "default" in field:
                        default = json.dumps(field.pop("default"))
                        said = [field.get("description", ""), f"Default: `{default}`."]
                        field["description"] = " ".join(said).strip()


def _declare_keys(document: dict[str, Any]) -> None:
    """Say where a key is needed, and both ways to show it."""
    document["components"]["securitySchemes"] = _SECURITY_SCHEMES
    for path, operations in document["paths"].items():
        if not needs_key(path):
            continue
        openai = path.startswith(OPENAI_PREFIX)
        refused = (
            _failure(401, "application/json", ErrorResponse)
            if openai
            else _failure(401, PROBLEM_MEDIA_TYPE, Problem)
        )
        for operation in operations.values():
            operation["security"] = [{scheme: []} for scheme in _SECURITY_SCHEMES]
            operation["responses"]["401"] = refused


def _failure(status: int, media_type: str, model: type[BaseModel]) -> dict[str, Any]:
    failure: dict[str, Any] = {
        "description": HTTPStatus(status).phrase,
        "content": {media_type: {"schema": reference_to(model.__name__)}},
    }
    if status in _HEADERS:
        name, kind, says = _HEADERS[status]
        failure["headers"] = {name: {"schema": {"type": kind}, "description": says}}
    return failure
