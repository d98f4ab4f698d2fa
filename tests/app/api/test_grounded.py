"""`grounded` over HTTP: what was read is told, to both models alike, and never changes a notice."""

import json
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from app.engine.checkpoint import Checkpoint
from app.engine.guard import RepetitionGuard, inside_words
from app.main import create_app
from app.settings import Settings
from tests.app.conftest import Asking, FakeEngine, client_of, loaded
from tests.training.conftest import document, write_archive
from training.index import index

QUESTION = "What is scurvy?"
TEXT = "A lack of vitamin C."
EMERGENCY = "What is scurvy? My father's face is drooping and he can't speak"
READ = f"<question>{QUESTION}<context>About Scurvy: {TEXT}<answer>"
ALONE = f"<question>{QUESTION}<answer>"

Serving = Callable[
    ..., AbstractAsyncContextManager[tuple[httpx.AsyncClient, dict[str, FakeEngine]]]
]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("index")
    texts = {
        "1_CancerGov_QA/1.xml": document("Asthma", {"What is (are) Asthma ?": "A disease."}),
        "2_GARD_QA/2.xml": document("Scurvy", {"What is (are) Scurvy ?": TEXT}),
    }
    index(write_archive(directory / "MedQuAD.zip", texts), directory / "references")
    return directory / "references"


@pytest.fixture(scope="module")
def reads(reading_pair: Path) -> Checkpoint:
    return loaded(reading_pair / "fine-tuned")


@pytest.fixture
def serving(reads: Checkpoint, base: Checkpoint, made: Path) -> Serving:
    """Serve fake models, of which the fine-tuned one reads, beside an index."""

    @asynccontextmanager
    async def served(
        **settings: Any,
    ) -> AsyncIterator[tuple[httpx.AsyncClient, dict[str, FakeEngine]]]:
        engines: Any = {
            "fine-tuned": FakeEngine(reads, "A disease.", end=True),
            "base": FakeEngine(base, "The"),
        }
        wanted: dict[str, Any] = {"references": str(made), "default_new_tokens": 8} | settings
        async with client_of(create_app(Settings(_env_file=None, **wanted), engines)) as client:
            for engine in engines.values():
                engine.prompts.clear()  # the warm-up's
            yield client, engines

    return served


def prompts(engines: dict[str, FakeEngine]) -> dict[str, list[str]]:
    return {
        name: [engine.checkpoint.tokenizer.decode(ids) for ids in engine.prompts]
        for name, engine in engines.items()
    }


def done(text: str) -> dict[str, Any]:
    """Return the body of a stream's last event."""
    *_, last = [block for block in text.split("\n\n") if block]
    lines = dict(line.split(": ", 1) for line in last.splitlines())
    assert lines["event"] == "done"
    body: dict[str, Any] = json.loads(lines["data"])
    return body


def chat(question: str, **more: Any) -> dict[str, Any]:
    return {"model": "fine-tuned", "messages": [{"role": "user", "content": question}]} | more


@pytest.mark.parametrize("stream", [False, True])
async def test_an_answer_tells_what_was_read(serving: Serving, stream: bool) -> None:
    async with serving() as (client, engines):
        reply = await client.post("/answer", json={"question": QUESTION, "stream": stream})
        body = done(reply.text) if stream else reply.json()
        assert body["grounded"] is True
        (passage,) = body["passages"]
        assert passage.pop("probability") > 0
        assert passage == {
            "id": "2_GARD_QA/2.xml#Scurvy-0",
            "title": "Scurvy",
            "question": "What is (are) Scurvy ?",
            "text": TEXT,
            "source": body["references"][0]["source"],
            "url": body["references"][0]["url"],
            "licence": "CC BY 4.0",
        }
        assert prompts(engines)["fine-tuned"] == [READ]
        assert body["usage"]["prompt_tokens"] == len(engines["fine-tuned"].prompts[0])


@pytest.mark.parametrize("stream", [False, True])
async def test_both_models_read_the_same_in_a_comparison(serving: Serving, stream: bool) -> None:
    async with serving() as (client, engines):
        reply = await client.post("/compare", json={"question": QUESTION, "stream": stream})
        body = done(reply.text) if stream else reply.json()
        for side in ("fine_tuned", "base"):
            assert body[side]["grounded"] is True
            assert [each["text"] for each in body[side]["passages"]] == [TEXT]
        assert prompts(engines) == {"fine-tuned": [READ], "base": [READ]}
        assert (
            not set(engines["base"].prompts[0]) & engines["base"].checkpoint.tokenizer.special_ids
        )


async def test_chat_clients_get_it_too(serving: Serving) -> None:
    async with serving() as (client, engines):
        body = (await client.post("/v1/chat/completions", json=chat(QUESTION))).json()
        assert body["grounded"] is True
        assert [each["title"] for each in body["passages"]] == ["Scurvy"]
        alone = chat(QUESTION, grounded=False)
        body = (await client.post("/v1/chat/completions", json=alone)).json()
        assert body["grounded"] is False
        assert "passages" not in body
        streamed = await client.post("/v1/chat/completions", json=chat(QUESTION, stream=True))
        *earlier, last = [
            json.loads(line.removeprefix("data: "))
            for line in streamed.text.splitlines()
            if line.startswith("data: {")
        ]
        assert last["grounded"] is True
        assert [each["title"] for each in last["passages"]] == ["Scurvy"]
        assert not any({"grounded", "passages"} & chunk.keys() for chunk in earlier)
        assert prompts(engines)["fine-tuned"] == [READ, ALONE, READ]


@pytest.mark.parametrize("path", ["/answer", "/compare"])
async def test_grounded_false_is_the_model_by_itself(serving: Serving, path: str) -> None:
    async with serving() as (client, engines):
        body = (await client.post(path, json={"question": QUESTION, "grounded": False})).json()
        side = body if path == "/answer" else body["fine_tuned"]
        assert side["grounded"] is False
        assert "passages" not in side
        assert body["references"], "they are shown all the same"
        assert prompts(engines)["fine-tuned"] == [ALONE]


async def test_where_nothing_is_found_the_model_is_told_so(serving: Serving) -> None:
    async with serving() as (client, engines):
        for asked in ({}, {"grounded": True}):
            body = (await client.post("/answer", json={"question": "zzz qqq"} | asked)).json()
            assert body["grounded"] is True
            assert "passages" not in body
        alone = {"question": "zzz qqq", "grounded": False}
        assert (await client.post("/answer", json=alone)).json()["grounded"] is False
        assert prompts(engines)["fine-tuned"] == [
            "<question>zzz qqq<context><answer>",
            "<question>zzz qqq<context><answer>",
            "<question>zzz qqq<answer>",
        ]


async def test_notices_come_first_whatever_is_read(serving: Serving) -> None:
    async with serving() as (client, engines):
        body = (await client.post("/answer", json={"question": EMERGENCY})).json()
        assert next(iter(body)) == "notices"
        assert [notice["kind"] for notice in body["notices"]] == ["emergency"]
        reply = (await client.post("/v1/chat/completions", json=chat(EMERGENCY))).json()
        assert "911" in reply["choices"][0]["message"]["content"].split("\n\n")[0]
    async with serving(answer_red_flags=False) as (client, engines):
        for path in ("/answer", "/compare"):
            asked = {"question": EMERGENCY, "grounded": True}
            body = (await client.post(path, json=asked)).json()
            side = body if path == "/answer" else body["fine_tuned"]
            assert (side["finish_reason"], side["grounded"]) == ("notice", False)
        assert prompts(engines) == {"fine-tuned": [], "base": []}


async def test_a_reference_is_scored_after_the_prompt_that_was_answered(
    serving: Serving, monkeypatch: pytest.MonkeyPatch
) -> None:
    scored: list[list[int]] = []

    async def bits(_: Any, prompt_ids: list[int], continuation_ids: list[int]) -> float:
        scored.append(prompt_ids)
        return 8.0 * len(continuation_ids)

    monkeypatch.setattr(FakeEngine, "bits", bits)
    async with serving() as (client, engines):
        await client.post("/compare", json={"question": QUESTION, "reference": "A lack."})
        assert sorted(scored) == sorted(engines["fine-tuned"].prompts + engines["base"].prompts)


@pytest.mark.parametrize("references", [True, False])
async def test_a_model_that_cannot_read_serves_as_before(
    asking: Asking, made: Path, references: bool
) -> None:
    client = await asking(references=str(made) if references else "none")
    assert (await client.get("/info")).json()["grounded"] is False
    body = (await client.post("/answer", json={"question": QUESTION})).json()
    assert (body["answer"], body["grounded"]) == ("A disease.", False)
    assert "passages" not in body
    insisting = {"question": QUESTION, "grounded": True}
    for path, asked, status in (
        ("/answer", insisting, 422),
        ("/compare", insisting, 422),
        ("/v1/chat/completions", chat(QUESTION, grounded=True), 400),  # as OpenAI's clients expect
    ):
        refused = await client.post(path, json=asked)
        assert refused.status_code == status, path
        assert "needs an index and a model that learned to read" in refused.text


async def test_a_model_that_reads_needs_an_index(serving: Serving) -> None:
    async with serving() as (client, _):
        assert (await client.get("/info")).json()["grounded"] is True
    async with serving(references="none") as (client, engines):
        assert (await client.get("/info")).json()["grounded"] is False
        body = (await client.post("/answer", json={"question": QUESTION})).json()
        assert body["grounded"] is False
        assert prompts(engines)["fine-tuned"] == [ALONE]


def test_the_guard_lets_through_what_the_passage_holds(reads: Checkpoint) -> None:
    tokenizer = reads.tokenizer
    read = tokenizer.encode_marked(READ)
    text = tokenizer.encode(f" {TEXT}")[-5:]
    inside = inside_words(tokenizer)
    for prompt, allowed in ((read, True), (tokenizer.encode_marked(ALONE), False)):
        guard = RepetitionGuard(prompt, 3, inside)
        for token in [*text, *text[:-1]]:
            guard.push(token)
        assert (text[-1] not in guard.banned()) is allowed
