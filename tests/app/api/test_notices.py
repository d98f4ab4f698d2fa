"""Notices over HTTP: before the answer in every shape, by region, alone where a setting says so."""

import json
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from pydantic import ValidationError

from app.engine.checkpoint import Checkpoint
from app.errors import DeadlineExceeded, GenerationFailed, QueueFull, ServiceError
from app.main import create_app
from app.red_flags.notices import Notice, notices
from app.settings import Settings
from tests.app.conftest import Asking, FakeEngine, client_of

EMERGENCY = "my father's face is drooping and he can't speak"
HARMLESS = "What are the symptoms of a stroke?"


def _events(text: str) -> list[tuple[str, Any]]:
    blocks = [
        dict(line.split(": ", 1) for line in block.splitlines())
        for block in text.split("\n\n")
        if block
    ]
    return [
        (block.get("event", ""), json.loads(block["data"]))
        for block in blocks
        if block["data"] != "[DONE]"
    ]


@pytest.mark.parametrize("path", ["/answer", "/compare"])
async def test_a_notice_stands_first_and_the_answer_still_comes(asking: Asking, path: str) -> None:
    client = await asking()
    reply = await client.post(path, json={"question": EMERGENCY})
    body = reply.json()
    assert next(iter(body)) == "notices"
    assert [notice["kind"] for notice in body["notices"]] == ["emergency"]
    assert "911" in body["notices"][0]["contact"]
    assert (body if path == "/answer" else body["fine_tuned"])["answer"] == "A disease."
    assert "notices" not in (await client.post(path, json={"question": HARMLESS})).json()


@pytest.mark.parametrize("path", ["/answer", "/compare"])
async def test_a_stream_gives_notices_before_any_token(asking: Asking, path: str) -> None:
    client = await asking()
    question = "I want to die, I took 40 pills"
    reply = await client.post(path, json={"question": question, "stream": True})
    names = [name for name, _ in _events(reply.text)]
    assert names[:3] == ["notice", "notice", "token"]
    assert names[-1] == "done"
    assert [data["kind"] for _, data in _events(reply.text)[:2]] == ["self_harm", "overdose"]
    assert len(_events(reply.text)[-1][1]["notices"]) == 2


async def test_a_region_has_its_own_numbers(asking: Asking) -> None:
    client = await asking(region="UK")
    body = (await client.post("/answer", json={"question": "I want to kill myself"})).json()
    assert "116 123" in body["notices"][0]["contact"]
    assert (await client.get("/info")).json()["region"] == "UK", "so that a page can name it"


async def test_a_long_message_is_read_beside_the_event_loop(
    asking: Asking, monkeypatch: pytest.MonkeyPatch
) -> None:
    reading: list[threading.Thread] = []

    def read(question: str, region: str) -> list[Notice]:
        reading.append(threading.current_thread())
        return notices(question, region)

    monkeypatch.setattr("app.answering.service.notices", read)
    client = await asking()
    for question in ("What is asthma? " * 240, "What is asthma?"):
        assert (await client.post("/answer", json={"question": question})).status_code == 200
    assert [thread is threading.current_thread() for thread in reading] == [False, True]


def test_an_unknown_region_stops_the_start_by_name() -> None:
    with pytest.raises(ValidationError, match=r"region\n.*must be one of US"):
        Settings(_env_file=None, region="Atlantis")


async def test_the_notice_alone_where_the_setting_says_so(asking: Asking) -> None:
    client = await asking(answer_red_flags=False)
    body = (await client.post("/answer", json={"question": EMERGENCY})).json()
    assert (body["answer"], body["finish_reason"]) == ("", "notice")
    assert body["usage"]["completion_tokens"] == 0
    assert body["notices"]
    both = (await client.post("/compare", json={"question": EMERGENCY})).json()
    assert {both[side]["finish_reason"] for side in ("fine_tuned", "base")} == {"notice"}
    assert (await client.post("/answer", json={"question": HARMLESS})).json()["answer"]


def _chat(question: str, **more: Any) -> dict[str, Any]:
    return {"model": "fine-tuned", "messages": [{"role": "user", "content": question}]} | more


async def test_chat_clients_read_it_before_the_answer(asking: Asking) -> None:
    client = await asking()
    reply = await client.post("/v1/chat/completions", json=_chat(EMERGENCY))
    choice = reply.json()["choices"][0]
    assert "911" in choice["message"]["content"].split("\n\n")[0]
    assert choice["message"]["content"].endswith("\n\nA disease.")
    assert choice["finish_reason"] == "stop"
    streamed = await client.post("/v1/chat/completions", json=_chat(EMERGENCY, stream=True))
    deltas = [data["choices"][0]["delta"] for _, data in _events(streamed.text)]
    assert "911" in deltas[0]["content"]
    assert "".join(delta.get("content", "") for delta in deltas) == choice["message"]["content"]
    plain = await client.post("/v1/chat/completions", json=_chat(HARMLESS))
    assert plain.json()["choices"][0]["message"]["content"] == "A disease."


async def test_chat_clients_get_it_alone_as_filtered_content(asking: Asking) -> None:
    client = await asking(answer_red_flags=False)
    reply = await client.post("/v1/chat/completions", json=_chat(EMERGENCY))
    choice = reply.json()["choices"][0]
    assert choice["finish_reason"] == "content_filter"
    assert "911" in choice["message"]["content"]


FULL = QueueFull("Every place is taken.", retry_after_seconds=7)


@asynccontextmanager
async def _refusing(
    fine_tuned: Checkpoint, base: Checkpoint, error: ServiceError, **settings: Any
) -> AsyncIterator[httpx.AsyncClient]:
    """Run a service whose models refuse every question but the first, which warms them up."""
    engines: Any = {
        "fine-tuned": FakeEngine(fine_tuned, "A disease.", end=True),
        "base": FakeEngine(base, "The"),
    }
    async with client_of(create_app(Settings(_env_file=None, **settings), engines)) as client:
        for engine in engines.values():
            engine.ids, engine.error = [], error
        yield client


@pytest.mark.parametrize(
    ("error", "status"),
    [(FULL, 429), (DeadlineExceeded("Late."), 504), (GenerationFailed("No."), 503)],
)
@pytest.mark.parametrize("path", ["/answer", "/compare"])
async def test_no_answer_is_no_reason_not_to_be_told(
    fine_tuned: Checkpoint, base: Checkpoint, path: str, error: ServiceError, status: int
) -> None:
    async with _refusing(fine_tuned, base, error) as client:
        reply = await client.post(path, json={"question": EMERGENCY})
        assert reply.status_code == status
        assert reply.headers["content-type"] == "application/problem+json"
        assert [notice["kind"] for notice in reply.json()["notices"]] == ["emergency"]
        assert "911" in reply.json()["notices"][0]["contact"]
        assert reply.json().get("retry_after_seconds") == (7 if error is FULL else None)
        harmless = await client.post(path, json={"question": HARMLESS})
        assert "notices" not in harmless.json()


async def test_a_full_service_streams_notices_then_when_to_ask_again(
    fine_tuned: Checkpoint, base: Checkpoint
) -> None:
    async with _refusing(fine_tuned, base, FULL) as client:
        body = {"question": EMERGENCY, "stream": True}
        events = _events((await client.post("/compare", json=body)).text)
        assert [name for name, _ in events] == ["notice", "error"]
        assert events[1][1]["status"] == 429
        assert events[1][1]["retry_after_seconds"] == 7
        # One model that is full is known to be before the stream begins.
        refused = await client.post("/answer", json=body)
        assert refused.status_code == 429
        assert refused.headers["retry-after"] == "7"
        assert [notice["kind"] for notice in refused.json()["notices"]] == ["emergency"]
        plain = await client.post("/answer", json={"question": HARMLESS, "stream": True})
        assert plain.status_code == 429
        assert plain.headers["retry-after"] == "7"
        assert plain.json()["retry_after_seconds"] == 7


async def test_a_notice_instead_of_an_answer_needs_no_place(
    fine_tuned: Checkpoint, base: Checkpoint
) -> None:
    async with _refusing(fine_tuned, base, FULL, answer_red_flags=False) as client:
        for path in ("/answer", "/compare"):
            reply = await client.post(path, json={"question": EMERGENCY})
            assert reply.status_code == 200
            assert reply.json()["notices"]
        chat = await client.post("/v1/chat/completions", json=_chat(EMERGENCY))
        assert chat.json()["choices"][0]["finish_reason"] == "content_filter"


@pytest.mark.parametrize("stream", [False, True])
async def test_a_refused_chat_client_reads_it_too(
    fine_tuned: Checkpoint, base: Checkpoint, stream: bool
) -> None:
    async with _refusing(fine_tuned, base, FULL) as client:
        reply = await client.post("/v1/chat/completions", json=_chat(EMERGENCY, stream=stream))
        assert reply.status_code == 429
        message = reply.json()["error"]["message"]
        assert "911" in message.split("\n\n")[0]
        assert message.endswith("\n\nEvery place is taken.")


async def test_a_service_that_stops_tells_it(asking: Asking) -> None:
    client = await asking()
    transport: Any = client._transport
    transport.app.state.service.step = "draining"
    replies = [
        await client.post("/answer", json={"question": EMERGENCY}),
        await client.post("/answer", json={"question": EMERGENCY, "stream": True}),
        await client.get("/references", params={"q": EMERGENCY}),
    ]
    for reply in replies:
        assert reply.status_code == 503
        assert reply.json()["notices"][0]["kind"] == "emergency"
    chat = await client.post("/v1/chat/completions", json=_chat(EMERGENCY))
    assert "911" in chat.json()["error"]["message"]


async def test_a_message_that_is_too_long_is_read_as_far_as_any(asking: Asking) -> None:
    client = await asking(max_question_characters=100)
    reply = await client.post("/answer", json={"question": f"{EMERGENCY}. " * 10})
    assert reply.status_code == 422
    assert reply.json()["notices"][0]["kind"] == "emergency"
