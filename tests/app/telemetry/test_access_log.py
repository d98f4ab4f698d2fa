"""Logs: every line parses and names its request, and none holds a text that was not asked for."""

import concurrent.futures
import hashlib
import io
import json
import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from app import logs
from app.answering.answer import ModelName
from app.engine.checkpoint import Checkpoint
from app.main import create_app
from app.settings import Settings
from tests.app.conftest import FakeEngine, client_of
from tests.app.server_process import Server

MARKER = "xylophonitis"
QUESTION = f"Is {MARKER} contagious?"

Written = Callable[[], list[str]]


@pytest.fixture(params=["json", "text"])
def log_format(request: pytest.FixtureRequest) -> logs.LogFormat:
    found: logs.LogFormat = request.param
    return found


@pytest.fixture
def written(log_format: logs.LogFormat) -> Iterator[Written]:
    """The lines that the app has logged in this process."""
    handler, stream, logger = logs.handler(log_format), io.StringIO(), logging.getLogger("app")
    handler.setStream(stream)
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    yield lambda: stream.getvalue().splitlines()
    logger.setLevel(logging.NOTSET)
    logger.removeHandler(handler)


def _engines(fine_tuned: Checkpoint, base: Checkpoint) -> dict[ModelName, FakeEngine]:
    return {
        "fine-tuned": FakeEngine(fine_tuned, "A disease.", end=True),
        "base": FakeEngine(base, "x"),
    }


def _ask_in_every_way(server: Server) -> tuple[str, set[int]]:
    """Send the marker in good, bad, big, lost and crowded requests; return an answer to it."""

    def post(path: str = "/answer", **more: Any) -> httpx.Response:
        body: dict[str, Any] = {"question": QUESTION, "max_new_tokens": 100} | more
        return httpx.post(f"{server.url}{path}?{MARKER}", json=body, timeout=60)

    responses = [
        post("/compare"),
        post(colour=MARKER),
        post(max_new_tokens=MARKER),
        post(question=MARKER * 400),
        post(question=MARKER * 10_000),
        post(f"/{MARKER}"),
        post(stream=True),
        httpx.post(
            f"{server.url}/answer",
            content=f'{{"{MARKER}',
            headers={"Content-Type": "application/json"},
        ),
    ]
    answer: str = responses[0].json()["base"]["answer"]
    statuses = {response.status_code for response in responses}
    for _ in range(10):
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            statuses |= {one.status_code for one in pool.map(lambda _: post(), range(8))}
        if 429 in statuses:
            break
    return answer, statuses


@pytest.mark.long
def test_json_logs_hold_no_texts(pair: Path) -> None:
    server = Server(
        MEDQA_FINE_TUNED_MODEL=str(pair / "fine-tuned"),
        MEDQA_BASE_MODEL=str(pair / "base"),
        MEDQA_MAX_RUNNING="1",  # and so its places are soon taken
        MEDQA_MAX_WAITING="0",
        MEDQA_LOG_LEVEL="debug",
        MEDQA_LOG_FORMAT="json",
    )
    server.wait_until_ready()
    answer, statuses = _ask_in_every_way(server)
    output = server.stop()
    assert statuses == {200, 400, 404, 413, 422, 429}
    assert MARKER not in output
    assert json.dumps(answer)[1:-1][:20] not in output
    lines = [json.loads(line) for line in output.splitlines()]
    assert {"timestamp", "level", "logger", "message"} <= set.intersection(*map(set, lines))
    # The server's own lines, from its start to its end, are among them; its access log is not.
    assert {"app", "app.requests", "uvicorn.error"} <= {line["logger"] for line in lines}
    assert "uvicorn.access" not in {line["logger"] for line in lines}
    requests = [line for line in lines if line["logger"] == "app.requests"]
    assert {line["status"] for line in requests} >= statuses
    ids = {line["request_id"] for line in requests}
    assert len(ids) == len(requests)


@pytest.mark.parametrize("path", ["/answer", "/compare"])
@pytest.mark.parametrize("log_texts", [False, True])
async def test_texts_are_logged_when_asked_for(
    fine_tuned: Checkpoint, base: Checkpoint, written: Written, path: str, log_texts: bool
) -> None:
    app = create_app(Settings(_env_file=None, log_texts=log_texts), _engines(fine_tuned, base))
    async with client_of(app) as client:
        before = len(written())
        for stream in (False, True):
            body = {"question": QUESTION, "stream": stream}
            assert (await client.post(path, json=body)).status_code == 200
    lines = written()[before:]
    assert len(lines) == 2
    for line in lines:
        assert (json.dumps(QUESTION) in line) == log_texts
        assert ('"A disease."' in line) == log_texts


async def test_a_request_is_one_line(
    fine_tuned: Checkpoint, base: Checkpoint, written: Written, log_format: logs.LogFormat
) -> None:
    app = create_app(Settings(), _engines(fine_tuned, base))
    async with client_of(app) as client:
        before = len(written())
        headers = {"X-Request-ID": "mine"}
        await client.post("/compare", json={"question": QUESTION}, headers=headers)
    (line,) = written()[before:]
    assert "mine" in line
    if log_format == "text":
        assert "app.requests [mine]: POST /compare 200 " in line
        assert 'model="both"' in line
        return
    found = json.loads(line)
    answers = {answer.pop("model"): answer for answer in found.pop("answers")}
    expected = {
        "level": "INFO",
        "logger": "app.requests",
        "message": "POST /compare 200",
        "request_id": "mine",
        "method": "POST",
        "route": "/compare",
        "status": 200,
        "client": "127.0.0.1",
        "model": "both",
        "finish_reason": "mixed",
    }
    assert expected.items() <= found.items()
    assert found["total_ms"] > 0
    assert answers["fine-tuned"]["finish_reason"] == "end"
    assert answers["fine-tuned"]["queue_ms"] == 250
    assert answers["base"]["completion_tokens"] == 1
    assert set(answers["base"]) == {
        "finish_reason", "error", "prompt_tokens", "completion_tokens", "queue_ms",
        "first_token_ms", "total_ms",
    }  # fmt: skip


async def test_a_line_names_the_key(
    written: Written, fine_tuned: Checkpoint, base: Checkpoint
) -> None:
    digest = hashlib.sha256(b"mq-secret").hexdigest()
    settings = Settings(_env_file=None, api_keys=f"alice:{digest}")
    async with client_of(create_app(settings, _engines(fine_tuned, base))) as client:
        for key in ("mq-secret", "mq-other"):
            await client.get("/info", headers={"X-API-Key": key})
    lines = [line for line in written() if "/info" in line]
    assert ["alice" in line for line in lines] == [True, False]
    assert not any("mq-" in line or digest in line for line in lines)


async def test_an_exception_is_a_field_of_its_line(
    fine_tuned: Checkpoint, base: Checkpoint, written: Written, log_format: logs.LogFormat
) -> None:
    engines = _engines(fine_tuned, base)
    async with client_of(create_app(Settings(), engines)) as client:
        before = len(written())
        engines["base"].error = RuntimeError("a bug")
        body = {"question": QUESTION, "model": "base", "stream": True}
        await client.post("/answer", json=body, headers={"X-Request-ID": "mine"})
    lines = written()[before:]
    if log_format == "text":
        assert "[mine]: a stream failed" in lines[0]
        assert lines[-2] == "RuntimeError: a bug"
        return
    failure, request = (json.loads(line) for line in lines)
    assert failure["message"] == "a stream failed"
    assert failure["request_id"] == request["request_id"] == "mine"
    assert failure["exception"].endswith("RuntimeError: a bug")
    assert request["status"] == 500
    assert request["answers"][0]["error"] == "RuntimeError"
