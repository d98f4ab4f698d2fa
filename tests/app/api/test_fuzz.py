"""Malformed and random requests: only declared answers, no hang, and a server that goes on.

`make soak` runs these with the hypothesis profile `soak`, over 2,000 requests.
"""

import json
from typing import Any

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from app.main import create_app
from app.settings import Settings
from tests.app.server_process import Server

_SHARED = settings(suppress_health_check=list(HealthCheck), deadline=None)
_CHECKS = [status_code_conformance, content_type_conformance, response_schema_conformance]


_DOCUMENT: Any = schemathesis.openapi.from_dict(create_app(Settings()).openapi())
_OPERATIONS = [result.ok() for result in _DOCUMENT.get_all_operations()]
_ASKING = [
    operation
    for operation in _OPERATIONS
    if operation.method == "post" and operation.path != "/references"  # which has no stream
]


@pytest.mark.parametrize("operation", _OPERATIONS, ids=lambda operation: operation.label)
@_SHARED
@given(data=st.data())
def test_what_the_document_allows_and_forbids(
    server: Server, operation: Any, data: st.DataObject
) -> None:
    mode = data.draw(st.sampled_from(list(schemathesis.GenerationMode)))
    case = data.draw(operation.as_strategy(generation_mode=mode))
    response = case.call(base_url=server.url, timeout=60)
    case.validate_response(response, checks=_CHECKS)
    assert response.status_code != 500


@pytest.mark.parametrize("operation", _ASKING, ids=lambda operation: operation.label)
def test_streams_hold_the_events_that_the_document_names(server: Server, operation: Any) -> None:
    question = {"question": "I took too many pills, what now?", "max_new_tokens": 12}
    raw = {"model": "base", "max_tokens": 3}
    body = {
        "/v1/completions": raw | {"prompt": "Asthma", "stream_options": {"include_usage": True}},
        "/v1/chat/completions": raw | {"messages": [{"role": "user", "content": "What?"}]},
    }.get(operation.path, question)
    case = operation.Case(body=body | {"stream": True}, media_type="application/json")
    response = case.call(base_url=server.url, timeout=60)
    assert response.headers["content-type"][0].startswith("text/event-stream")
    assert response.text.count("data: ") >= 2
    case.validate_response(response, checks=_CHECKS)


_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=8,
)
_FIELDS = st.sampled_from(
    ["question", "model", "reference", "max_new_tokens", "temperature", "top_p", "top_k", "stream"]
)
_BODIES = st.one_of(
    st.binary(max_size=200),
    _VALUES.map(lambda value: json.dumps(value).encode()),
    st.dictionaries(_FIELDS, _VALUES, max_size=5).map(
        lambda fields: json.dumps({"question": "Why?"} | fields).encode()
    ),
)
_TYPES = st.sampled_from(
    ["application/json", "text/plain", "application/x-www-form-urlencoded", ""]
)


@pytest.mark.parametrize("path", ["/answer", "/compare"])
@_SHARED
@given(body=_BODIES, content_type=_TYPES)
def test_any_body_gets_an_answer_or_a_problem(
    server: Server, path: str, body: bytes, content_type: str
) -> None:
    response = httpx.post(
        f"{server.url}{path}", content=body, headers={"content-type": content_type}, timeout=60
    )
    if response.status_code == 200:
        return
    assert response.status_code in (400, 413, 415, 422)
    assert response.headers["content-type"] == "application/problem+json"
    problem = response.json()
    assert problem["status"] == response.status_code
    assert problem["detail"]


def test_the_server_answers_afterwards(server: Server) -> None:
    body = {"question": "What is asthma?"}
    for _ in range(2):
        assert httpx.post(f"{server.url}/compare", json=body, timeout=60).status_code == 200
    assert httpx.get(f"{server.url}/readyz").json() == {"status": "ready"}
    assert set(httpx.get(f"{server.url}/info").json()["in_flight"].values()) == {0}
