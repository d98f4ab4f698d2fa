"""Traces reach a collector: a span for the request, one for each answer in it, without texts."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from types import SimpleNamespace
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from pydantic import ValidationError

from app import settings
from app.answering.answer import ModelName
from app.engine.checkpoint import Checkpoint
from app.errors import DeadlineExceeded
from app.main import create_app
from app.settings import Settings
from tests.app.conftest import FakeEngine, client_of

MARKER = "xylophonitis"


@pytest.fixture
def collector() -> Iterator[SimpleNamespace]:
    """An OTLP/HTTP collector on loopback that keeps what it receives."""
    received: list[bytes] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            received.append(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        url = f"http://127.0.0.1:{server.server_port}/v1/traces"
        yield SimpleNamespace(url=url, received=received)
        server.shutdown()
        thread.join()


def _spans(received: list[bytes]) -> list[Span]:
    return [
        span
        for body in received
        for resource in ExportTraceServiceRequest.FromString(body).resource_spans
        for scope in resource.scope_spans
        for span in scope.spans
    ]


def _attributes(span: Span) -> dict[str, Any]:
    return {
        attribute.key: attribute.value.int_value or attribute.value.string_value
        for attribute in span.attributes
    }


async def test_spans_of_a_request_and_its_answers(
    collector: SimpleNamespace, fine_tuned: Checkpoint, base: Checkpoint
) -> None:
    engines: dict[ModelName, FakeEngine] = {
        "fine-tuned": FakeEngine(fine_tuned, f"{MARKER} is a disease.", end=True),
        "base": FakeEngine(base, "The"),
    }
    app = create_app(Settings(otel_endpoint=collector.url), engines)
    async with client_of(app) as client:
        engines["base"].error = DeadlineExceeded("too slow")
        await client.post("/compare", json={"question": f"What is {MARKER}?"})
        await client.get("/healthz")
        # URLs that hold a question:
        await client.get("/references", params={"q": MARKER})
        await client.post(f"/answer?question={MARKER}", json={})
        for under in ("/what-is-", "/web/", "/v1/models/", "/docs/"):
            await client.get(f"{under}{MARKER}")
    spans = {span.name: span for span in _spans(collector.received)}
    assert set(spans) == {"POST /compare", "text_completion fine-tuned", "text_completion base"}
    request = spans.pop("POST /compare")
    for span in spans.values():
        assert span.parent_span_id == request.span_id
        assert span.trace_id == request.trace_id
        assert span.start_time_unix_nano < span.end_time_unix_nano
    answered, failed = (_attributes(span) for span in spans.values())
    if "error.type" in answered:
        answered, failed = failed, answered
    assert answered["gen_ai.request.model"] == "fine-tuned"
    assert answered["gen_ai.usage.input_tokens"] == len(engines["fine-tuned"].prompts[-1])
    assert answered["gen_ai.usage.output_tokens"] == len(engines["fine-tuned"].ids)
    assert failed["error.type"] == "DeadlineExceeded"
    assert MARKER.encode() not in b"".join(collector.received)


async def test_no_endpoint_no_traces(fine_tuned: Checkpoint, base: Checkpoint) -> None:
    engines: dict[ModelName, FakeEngine] = {
        "fine-tuned": FakeEngine(fine_tuned, "x"),
        "base": FakeEngine(base, "x"),
    }
    async with client_of(create_app(Settings(), engines)) as client:
        response = await client.post("/answer", json={"question": "?"})
    assert response.status_code == 200


def test_traces_without_their_packages_stop_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings, "find_spec", lambda _: None)
    with pytest.raises(ValidationError, match=r"\.\[otel\]"):
        Settings(otel_endpoint="http://collector:4318/v1/traces")
    assert Settings().otel_endpoint is None
