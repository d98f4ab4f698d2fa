"""Metrics count what happened: by route, status, model and finish reason, however it was asked."""

import asyncio
import json
from collections.abc import Callable

import httpx
import pytest
from fastapi import FastAPI
from prometheus_client.parser import text_string_to_metric_families
from starlette.types import Message

from app.answering.answer import ModelName
from app.engine.checkpoint import Checkpoint
from app.errors import DeadlineExceeded, QueueFull
from app.main import create_app
from app.settings import Settings
from tests.app.conftest import FakeEngine, client_of
from tests.app.server_process import Server

QUESTION = {"question": "What is asthma?"}
CIRCLES = "the cell is the cell is the cell is the cell is the cell"

LABELS = ("route", "status", "model", "finish_reason")

Build = Callable[..., FastAPI]


@pytest.fixture
def build(fine_tuned: Checkpoint, base: Checkpoint) -> Build:
    """An application over fake engines: the fine-tuned one ends, the base runs in circles."""

    def build(settings: Settings | None = None, **engines: FakeEngine) -> FastAPI:
        pair: dict[ModelName, FakeEngine] = {
            "fine-tuned": engines.get("fine_tuned", FakeEngine(fine_tuned, "A disease.", end=True)),
            "base": engines.get("base", FakeEngine(base, CIRCLES)),
        }
        return create_app(settings or Settings(), pair)

    return build


async def _metrics(client: httpx.AsyncClient) -> dict[tuple[str, ...], float]:
    """Return each sample's value by its name and its labels' values, in the order of LABELS."""
    text = (await client.get("/metrics")).text
    return {
        (
            sample.name.removeprefix("medqa_"),
            *(sample.labels[label] for label in LABELS if label in sample.labels),
        ): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name.startswith("medqa_") and not sample.name.endswith("_bucket")
    }


async def test_a_json_answer_and_a_stream_count_alike(build: Build, fine_tuned: Checkpoint) -> None:
    engine = FakeEngine(fine_tuned, "A disease.", end=True)
    async with client_of(build(fine_tuned=engine)) as client:
        for stream in (False, True):
            response = await client.post("/answer", json=QUESTION | {"stream": stream})
            assert response.status_code == 200
        found = await _metrics(client)
    assert found["requests_total", "/answer", "200", "fine-tuned", "end"] == 2
    assert found["answers_total", "fine-tuned", "end"] == 2
    assert found["answers_ended_total", "fine-tuned"] == 2
    assert found["answers_repeating_total", "fine-tuned"] == 0
    assert found["completion_tokens_total", "fine-tuned"] == 2 * len(engine.ids)
    assert found["prompt_tokens_total", "fine-tuned"] == 2 * len(engine.prompts[-1])
    assert found["queue_seconds_count", "fine-tuned"] == 2
    assert found["queue_seconds_sum", "fine-tuned"] == 2 * 0.25
    assert found["time_to_first_token_seconds_count", "fine-tuned"] == 2
    assert found["time_per_output_token_seconds_count", "fine-tuned"] == 2
    assert found["batch_size_sum", "fine-tuned"] == 2
    assert found["request_seconds_count", "/answer"] == 2
    assert found["completion_tokens_total", "base"] == 0


@pytest.mark.parametrize("stream", [False, True])
async def test_each_side_of_a_comparison_is_an_answer(build: Build, stream: bool) -> None:
    async with client_of(build()) as client:
        body = QUESTION | {"stream": stream, "reference": "A disease of the lungs."}
        assert (await client.post("/compare", json=body)).status_code == 200
        found = await _metrics(client)
    assert found["requests_total", "/compare", "200", "both", "mixed"] == 1
    assert found["answers_total", "fine-tuned", "end"] == 1
    assert found["answers_total", "base", "length"] == 1
    assert found["answers_ended_total", "base"] == 0
    assert found["answers_repeating_total", "base"] == 1


async def test_warming_up_is_no_traffic(build: Build) -> None:
    async with client_of(build()) as client:
        found = await _metrics(client)
    assert found["completion_tokens_total", "fine-tuned"] == 0
    assert not [name for name in found if name[0] == "answers_total"]


@pytest.mark.parametrize("path", ["/answer", "/compare"])
async def test_a_stream_that_fails_counts_as_its_failure(
    build: Build, fine_tuned: Checkpoint, base: Checkpoint, path: str
) -> None:
    error = DeadlineExceeded("too slow")
    engines = {
        name: FakeEngine(checkpoint, "Asthma is")
        for name, checkpoint in (("fine_tuned", fine_tuned), ("base", base))
    }
    async with client_of(build(**engines)) as client:
        for engine in engines.values():
            engine.error = error
        response = await client.post(path, json=QUESTION | {"stream": True})
        assert response.status_code == 200
        assert "event: error" in response.text
        found = await _metrics(client)
    model = "both" if path == "/compare" else "fine-tuned"
    assert found["requests_total", path, "504", model, ""] == 1
    assert ("requests_total", path, "200", model, "") not in found
    assert found["completion_tokens_total", "fine-tuned"] == len(engines["fine_tuned"].ids)
    assert ("answers_total", "fine-tuned", "length") not in found


async def test_a_comparison_with_one_answer_is_a_success(build: Build, base: Checkpoint) -> None:
    engine = FakeEngine(base, "The")
    async with client_of(build(base=engine)) as client:
        engine.error = DeadlineExceeded("too slow")
        assert (await client.post("/compare", json=QUESTION)).status_code == 200
        found = await _metrics(client)
    assert found["requests_total", "/compare", "200", "both", "end"] == 1


async def test_refusals_count_by_route(build: Build, fine_tuned: Checkpoint) -> None:
    engine = FakeEngine(fine_tuned)
    async with client_of(build(Settings(max_body_bytes=100), fine_tuned=engine)) as client:
        engine.error = QueueFull("full", retry_after_seconds=1)
        await client.post("/answer", json=QUESTION)
        await client.post("/answer", json={})
        await client.post("/compare", json={"question": "x" * 200})
        await client.get("/answer")
        await client.get("/questions/what-is-asthma")
        await client.post("/nowhere", json={"question": "x" * 200})
        found = await _metrics(client)
    requests = {name[1:]: value for name, value in found.items() if name[0] == "requests_total"}
    assert requests == {
        ("/answer", "429", "fine-tuned", ""): 1,
        ("/answer", "422", "", ""): 1,
        ("/answer", "405", "", ""): 1,
        ("/compare", "413", "", ""): 1,
        ("unmatched", "404", "", ""): 1,
        ("unmatched", "413", "", ""): 1,
    }
    assert found["prompt_tokens_total", "fine-tuned"] == 0


async def test_routes_are_named_behind_a_prefix_too(build: Build) -> None:
    app = build(Settings(root_path="/medqa"))
    async with client_of(app):
        # As uvicorn hands it on: the prefix in `root_path`, and at the head of the path.
        transport = httpx.ASGITransport(app, root_path="/medqa")
        async with httpx.AsyncClient(transport=transport, base_url="http://test/medqa") as client:
            assert (await client.post("/answer", json=QUESTION)).status_code == 200
            found = await _metrics(client)
    assert found["requests_total", "/answer", "200", "fine-tuned", "end"] == 1


async def test_an_unexpected_failure_counts(build: Build, fine_tuned: Checkpoint) -> None:
    engine = FakeEngine(fine_tuned, "Asthma")
    async with client_of(build(fine_tuned=engine)) as client:
        engine.error = RuntimeError("a bug")
        assert (await client.post("/answer", json=QUESTION)).status_code == 500
        body = QUESTION | {"stream": True}
        assert (await client.post("/answer", json=body)).status_code == 200
        found = await _metrics(client)
    assert found["requests_total", "/answer", "500", "fine-tuned", ""] == 2


@pytest.mark.parametrize("stream", [False, True])
async def test_a_client_that_leaves_counts(
    build: Build, fine_tuned: Checkpoint, stream: bool
) -> None:
    engine = FakeEngine(fine_tuned, "A very long answer.")
    app = build(fine_tuned=engine)
    body = json.dumps(QUESTION | {"stream": stream}).encode()
    asked, begun = False, asyncio.Event()

    async def receive() -> Message:
        nonlocal asked
        if not asked:
            asked = True
            return {"type": "http.request", "body": body, "more_body": False}
        if stream:
            await begun.wait()
        return {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        if message["type"] == "http.response.body":
            begun.set()

    scope = {
        "type": "http",
        "method": "POST",
        "path": "/answer",
        "headers": [(b"content-type", b"application/json")],
        "query_string": b"",
    }
    async with client_of(app) as client:
        engine.seconds_per_token = 0.05
        await app(scope, receive, send)
        found = await _metrics(client)
    assert found["requests_total", "/answer", "499", "fine-tuned", ""] == 1
    assert found["running", "fine-tuned"] == 0
    assert ("answers_total", "fine-tuned", "length") not in found


async def test_running_and_waiting_are_read_when_asked(
    build: Build, fine_tuned: Checkpoint
) -> None:
    engine = FakeEngine(fine_tuned)
    async with client_of(build(Settings(max_running=4), fine_tuned=engine)) as client:
        for in_flight, running, waiting in ((3, 3, 0), (4, 4, 0), (9, 4, 5), (0, 0, 0)):
            engine.in_flight = in_flight
            found = await _metrics(client)
            assert found["running", "fine-tuned"] == running
            assert found["waiting", "fine-tuned"] == waiting
            assert found["running", "base"] == 0


async def test_applications_share_nothing(build: Build) -> None:
    async with client_of(build()) as one, client_of(build()) as other:
        await one.post("/answer", json=QUESTION)
        key = ("answers_total", "fine-tuned", "end")
        assert (await _metrics(one))[key] == 1
        assert key not in await _metrics(other)


async def test_before_the_models_are_loaded() -> None:
    transport = httpx.ASGITransport(create_app(Settings()))
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        assert (await _metrics(client))["running", "fine-tuned"] == 0
        await client.post("/answer", json=QUESTION)
        found = await _metrics(client)
    assert found["requests_total", "/answer", "503", "", ""] == 1


def test_a_server_exposes_itself(server: Server) -> None:
    httpx.post(f"{server.url}/answer", json=QUESTION, timeout=60)
    response = httpx.get(f"{server.url}/metrics")
    assert response.headers["content-type"].startswith("text/plain; version=")
    families = {family.name: family for family in text_string_to_metric_families(response.text)}
    held = families["medqa_model_resident_memory_bytes"].samples
    assert {sample.labels["model"] for sample in held if sample.value > 1e8} == {
        "fine-tuned",
        "base",
    }
    assert {"process_resident_memory_bytes", "python_info", "python_gc_collections"} <= set(
        families
    )
    assert families["medqa_info"].samples[0].labels["version"]
    loaded = families["medqa_model_load_seconds"].samples
    assert {sample.labels["model"] for sample in loaded if sample.value > 0} == {
        "fine-tuned",
        "base",
    }
    openmetrics = httpx.get(
        f"{server.url}/metrics", headers={"Accept": "application/openmetrics-text; version=1.0.0"}
    )
    assert openmetrics.headers["content-type"].startswith("application/openmetrics-text")
    assert openmetrics.text.endswith("# EOF\n")
