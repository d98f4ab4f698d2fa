"""The OpenAPI document: what generators and people read of the service before they call it."""

import json
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from app.main import create_app
from app.settings import Settings

_OPERATIONS = {
    "search": "post /references",
    "answer": "post /answer",
    "compare": "post /compare",
    "find_references": "get /references",
    "list_models": "get /v1/models",
    "retrieve_model": "get /v1/models/{model}",
    "create_completion": "post /v1/completions",
    "create_chat_completion": "post /v1/chat/completions",
    "healthz": "get /healthz",
    "readyz": "get /readyz",
    "info": "get /info",
    "metrics": "get /metrics",
}


@pytest.fixture(scope="module", params=[False, True], ids=["open", "with keys"])
def document(request: pytest.FixtureRequest) -> dict[str, Any]:
    keys: dict[str, Any] = {"api_keys": "0" * 64} if request.param else {}
    app = create_app(Settings(_env_file=None, **keys), {})
    document: dict[str, Any] = app.openapi()
    assert app.openapi() == document
    return document


def _operations(document: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            yield f"{method} {path}", operation


def _media(document: dict[str, Any]) -> Iterator[tuple[str, str, str, dict[str, Any]]]:
    """Yield operation, status, media type and schema of every response."""
    for named, operation in _operations(document):
        for status, response in operation["responses"].items():
            for media_type, content in response["content"].items():
                yield named, status, media_type, content["schema"]


def test_operations_keep_their_names(document: dict[str, Any]) -> None:
    named = {operation["operationId"]: where for where, operation in _operations(document)}
    assert named == _OPERATIONS


def test_no_two_schemas_have_one_title(document: dict[str, Any]) -> None:
    schemas = document["components"]["schemas"]
    titles = Counter(schema["title"] for schema in schemas.values())
    assert {title for title, count in titles.items() if count > 1} == set()
    assert {name: schema["title"] for name, schema in schemas.items()} == {
        name: name for name in schemas
    }
    assert {"Usage", "CompletionUsage"} <= set(schemas)


def test_every_reference_leads_somewhere(document: dict[str, Any]) -> None:
    text = json.dumps(document)
    for found in text.split('"$ref": "#/components/schemas/')[1:]:
        assert found.partition('"')[0] in document["components"]["schemas"]


def test_failures_have_the_schema_and_media_type_of_their_clients(
    document: dict[str, Any],
) -> None:
    health = {("get /healthz", "503"), ("get /readyz", "503")}  # say a step, as their 200 does
    problem = {"$ref": "#/components/schemas/Problem"}
    error = {"$ref": "#/components/schemas/ErrorResponse"}
    for named, status, media_type, schema in _media(document):
        if status == "200" or (named, status) in health:
            assert problem != schema
        elif " /v1/" in named:
            assert (media_type, schema) == ("application/json", error)
        else:
            assert (media_type, schema) == ("application/problem+json", problem)


def test_what_may_fail_is_declared(document: dict[str, Any]) -> None:
    operations = dict(_operations(document))
    for path in ("post /answer", "post /compare"):
        declared = set(operations[path]["responses"]) - {"401"}
        assert declared == {*("200", "400", "408", "413", "415", "422", "429", "500", "503", "504")}
        assert "Retry-After" in operations[path]["responses"]["429"]["headers"]
    for named, operation in operations.items():
        assert {"500", "5XX"} & set(operation["responses"]), named


def test_streams_say_what_their_events_hold(document: dict[str, Any]) -> None:
    streams = {
        named: schema["$ref"].rpartition("/")[2]
        for named, _, media_type, schema in _media(document)
        if media_type == "text/event-stream"
    }
    assert streams == {
        "post /answer": "AnswerEvent",
        "post /compare": "CompareEvent",
        "post /v1/completions": "CompletionEvent",
        "post /v1/chat/completions": "ChatCompletionEvent",
    }
    schemas = document["components"]["schemas"]
    events = {
        schemas[event["$ref"].rpartition("/")[2]]["properties"]["event"]["const"]
        for event in schemas["CompareEvent"]["oneOf"]
    }
    assert events == {"notice", "token", "references", "side", "done", "error"}


def test_requests_say_defaults_in_words_only(document: dict[str, Any]) -> None:
    """Generators make a field with a `default` one that must be sent, or always is."""
    schemas = document["components"]["schemas"]
    for name in ("AnswerRequest", "CompareRequest", "CompletionRequest", "ChatRequest"):
        for field in schemas[name]["properties"].values():
            assert "default" not in field
    fields = schemas["AnswerRequest"]["properties"]
    assert fields["references"]["description"].endswith("Default: `3`.")
    assert fields["model"]["description"].endswith('Default: `"fine-tuned"`.')
    assert "default" not in schemas["AnswerResponse"]["properties"]["notices"]
