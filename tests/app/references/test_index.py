"""References over HTTP and in the ranking: what is found, when, and what is said without any."""

import asyncio
import json
import shutil
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from app.engine.checkpoint import Checkpoint
from app.engine.interface import Span
from app.errors import IndexFailure
from app.main import create_app
from app.references.index import Reference, References
from app.references.query_analysis import question_types
from app.references.spelling import Spelling
from app.settings import Settings
from tests.app.conftest import Asking, FakeEngine, client_of
from tests.training.conftest import document, write_archive
from training.index import index

_TEXTS = {
    "1_CancerGov_QA/1.xml": document(
        "Asthma",
        {
            "What is (are) Asthma ?": "Asthma is a disease of the airways. " * 20,
            "What are the treatments for Asthma ?": "Inhalers relax the airways.",
        },
    ).replace('qtype="x"', 'qtype="information"', 1).replace('qtype="x"', 'qtype="treatment"'),
    "2_GARD_QA/2.xml": document(
        "Hydrocephalus", {"What is (are) Hydrocephalus ?": "Fluid widens the ventricles."}
    ),
    "11_MPlusDrugs_QA/3.xml": document(
        "Oxybutynin", {"How should Oxybutynin be used and what is the dosage ?": ""}
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("index")
    index(write_archive(directory / "MedQuAD.zip", _TEXTS), directory / "references")
    return directory / "references"


def _events(text: str) -> list[tuple[str, Any]]:
    blocks = [
        dict(line.split(": ", 1) for line in part.splitlines())
        for part in text.split("\n\n")
        if part
    ]
    return [(block["event"], json.loads(block["data"])) for block in blocks]


def test_a_long_misspelled_message_finds_its_topic(made: Path) -> None:
    found = References(made).search(
        "Hello dear doctor, thank you for reading. My urologist has prescribed Oxybutinin, 5 mg "
        "tablets, and I understood they were to be taken once a day. Is this the right dose?",
        1,
    )
    assert found[0].focus == "Oxybutynin"
    assert found[0].answer is None


def test_the_type_of_question_decides_within_a_topic(made: Path) -> None:
    references = References(made)
    assert references.search("whats asthma", 1)[0].type == "information"
    assert references.search("my son has asthma, is there a cure?", 1)[0].type == "treatment"


def test_nothing_is_found_for_words_that_no_question_has(made: Path) -> None:
    references = References(made)
    assert references.search("zzz qqq 12", 5) == []
    assert references.search("?!", 5) == []
    assert references.search("asthma", 0) == []


def test_spelling_corrects_what_is_near_and_leaves_what_is_known() -> None:
    spelling = Spelling(
        np.array([b"asthma", b"hydrocephalus"]),
        np.array([b"asthma", b"hydrocephalus", b"plasma"]),
    )
    assert spelling.correct("astmha") == "asthma"
    assert spelling.correct("hydrocefalus") == "hydrocephalus"
    assert spelling.correct("plasma") is None
    assert spelling.correct("cat") is None


def test_lay_words_tell_the_type() -> None:
    assert "side effects" in question_types("side efectes to methadone")
    assert "usage" in question_types("how to taper off")
    assert "treatment" in question_types("Is there a surgery for it?")


@pytest.mark.parametrize("path", ["/answer", "/compare"])
async def test_references_stand_beside_the_answer(asking: Asking, made: Path, path: str) -> None:
    client = await asking(references=str(made), excerpt_characters=40)
    body = (await client.post(path, json={"question": "What is asthma?"})).json()
    first = body["references"][0]
    assert set(first) == {
        "id", "question", "excerpt", "source", "url", "focus", "type", "licence", "score",
    }  # fmt: skip
    assert first["question"] == "What is (are) Asthma ?"
    assert first["excerpt"] == "Asthma is a disease of the airways.…"
    side = body if path == "/answer" else body["fine_tuned"]
    assert side["answer"] == "A disease."
    assert side["sentences"] == [
        {"start": 0, "end": 10, "mark": "unchecked", "why": None, "text_id": None}
        | {"published": None}
    ]


@pytest.mark.parametrize("path", ["/answer", "/compare"])
@pytest.mark.parametrize("stream", [False, True])
async def test_each_sentence_is_held_against_what_was_found(
    fine_tuned: Checkpoint, base: Checkpoint, made: Path, path: str, stream: bool
) -> None:
    said = "Asthma is a disease of the airways. 😀 Zebras cure all of it."
    engines: Any = {
        "fine-tuned": FakeEngine(fine_tuned, said, end=True),
        "base": FakeEngine(base, "Asthma is no disease of the airways.", end=True),
    }
    app = create_app(Settings(_env_file=None, references=str(made)), engines)
    async with client_of(app) as client:
        body = {"question": "What is asthma?", "stream": stream}
        reply = await client.post(path, json=body)
    done = _events(reply.text)[-1][1] if stream else reply.json()
    first, second = (done if path == "/answer" else done["fine_tuned"])["sentences"]
    assert [said[each["start"] : each["end"]] for each in (first, second)] == [
        "Asthma is a disease of the airways.", "😀 Zebras cure all of it.",
    ]  # fmt: skip
    assert first["mark"] == "stands_in"
    assert first["text_id"] == done["references"][0]["id"]
    assert first["published"] == "Asthma is a disease of the airways."
    assert second["mark"] == "not_found"
    if path == "/compare":
        [only] = done["base"]["sentences"]
        assert (only["mark"], only["why"]) == ("contradicts", "negation")


@pytest.mark.parametrize("path", ["/answer", "/compare"])
async def test_they_come_after_the_first_token(asking: Asking, made: Path, path: str) -> None:
    client = await asking(references=str(made))
    reply = await client.post(path, json={"question": "What is asthma?", "stream": True})
    names = [name for name, _ in _events(reply.text)]
    assert names[0] == "token"
    assert names[-1] == "done"
    assert _events(reply.text)[-1][1]["references"]


@pytest.mark.parametrize("path", ["/answer", "/compare"])
async def test_spans_come_where_they_are_asked_for(
    fine_tuned: Checkpoint, base: Checkpoint, path: str
) -> None:
    tuned = FakeEngine(fine_tuned, "A disease.", end=True)
    tuned.known_spans = [Span(0, 2, answers=364, topics=13)]
    engines: Any = {"fine-tuned": tuned, "base": FakeEngine(base, "The")}
    app = create_app(Settings(_env_file=None), engines)
    async with client_of(app) as client:
        body = {"question": "What is asthma?"}
        plain = (await client.post(path, json=body)).json()
        reply = (await client.post(path, json=body | {"spans": True})).json()
    side, asked = (each if path == "/answer" else each["fine_tuned"] for each in (plain, reply))
    assert side["spans"] is None
    [span] = asked["spans"]
    assert (span["start"], span["answers"], span["topics"]) == (0, 364, 13)
    assert "A disease.".startswith("A disease."[: span["end"]])
    if path == "/compare":
        assert reply["base"]["spans"] is None  # it never learned from any


async def test_none_are_listed_when_none_are_asked_for(asking: Asking, made: Path) -> None:
    client = await asking(references=str(made))
    body = (await client.post("/answer", json={"question": "Asthma?", "references": 0})).json()
    assert "references" not in body
    assert {each["mark"] for each in body["sentences"]} == {"unchecked"}
    for count in (-1, 6, "3"):
        reply = await client.post("/answer", json={"question": "Asthma?", "references": count})
        assert reply.status_code == 422
        assert reply.json()["errors"][0]["field"] == "references"


async def test_search_alone(asking: Asking, made: Path) -> None:
    client = await asking(references=str(made))
    body = (await client.get("/references", params={"q": "hydrocefalus", "limit": 1})).json()
    assert [found["focus"] for found in body["references"]] == ["Hydrocephalus"]
    urgent = (await client.get("/references", params={"q": "I want to kill myself"})).json()
    assert urgent["notices"][0]["kind"] == "self_harm"
    for refused in (" ", "x" * 4001):
        problem = await client.get("/references", params={"q": refused})
        assert problem.status_code == 422
        assert [error["field"] for error in problem.json()["errors"]] == ["q"]
    info = (await client.get("/info")).json()
    assert info["references"] == {"questions": 4, "answered": 3}


async def test_a_post_keeps_the_question_out_of_the_url_and_of_caches(
    asking: Asking, made: Path
) -> None:
    client = await asking(references=str(made))
    body = {"question": "what is asthma", "limit": 1}
    reply = await client.post("/references", json=body)
    assert [found["focus"] for found in reply.json()["references"]] == ["Asthma"]
    assert "nothing_found" not in reply.json()
    assert 0 <= reply.json()["references"][0]["score"] <= 1
    got = await client.get("/references", params={"q": "what is asthma", "limit": 1})
    assert got.json() == reply.json()
    assert reply.headers["cache-control"] == got.headers["cache-control"] == "no-store"
    for wrong in ({"limit": 11}, {"limit": "1"}, {"question": " "}, {"q": "asthma"}):
        refused = await client.post("/references", json=body | wrong)
        assert refused.status_code == 422


async def test_nothing_found_is_said_in_words(asking: Asking, made: Path) -> None:
    client = await asking(references=str(made))
    reply = (await client.post("/references", json={"question": "zzz qqq"})).json()
    assert reply["references"] == []
    assert "fits this question" in reply["nothing_found"]


async def test_searches_wait_in_a_bounded_queue(
    asking: Asking, made: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def slow(*_: Any) -> list[Reference]:
        time.sleep(0.01)
        return []

    client = await asking(references=str(made))
    monkeypatch.setattr(References, "search", slow)
    searches = (client.get("/references", params={"q": "asthma"}) for _ in range(80))
    replies = await asyncio.gather(*searches)
    assert sorted(reply.status_code for reply in replies) == [200] * 64 + [429] * 16
    refused = next(reply for reply in replies if reply.status_code == 429)
    assert refused.headers["retry-after"] == "1"
    assert (await client.get("/references", params={"q": "asthma"})).status_code == 200


async def test_without_an_index_the_field_is_absent_and_info_says_how(asking: Asking) -> None:
    client = await asking(references="none")
    body = (await client.post("/answer", json={"question": "Asthma?"})).json()
    assert "references" not in body
    assert {each["mark"] for each in body["sentences"]} == {"unchecked"}
    assert "training index" in (await client.get("/info")).json()["references"]["hint"]
    reply = await client.get("/references", params={"q": "asthma"})
    assert reply.status_code == 404
    assert "training index" in reply.json()["detail"]


def test_a_directory_that_is_no_index_is_named(tmp_path: Path, made: Path) -> None:
    with pytest.raises(IndexFailure, match=f"{tmp_path} is no index"):
        References(tmp_path)
    (tmp_path / "index.json").write_text('{"format": 99}')
    with pytest.raises(IndexFailure, match="format is 99"):
        References(tmp_path)


@pytest.mark.parametrize("file", ["rows.npy", "names.entries.npy"])
def test_a_pickle_in_an_index_is_never_loaded(tmp_path: Path, made: Path, file: str) -> None:
    shutil.copytree(made, tmp_path / "index")
    ran = tmp_path / "ran"

    class Evil:
        def __reduce__(self) -> tuple[Any, ...]:
            return (Path.touch, (ran,))

    assert (tmp_path / "index" / file).exists()
    np.save(tmp_path / "index" / file, np.array([Evil()], dtype=object), allow_pickle=True)
    with pytest.raises(IndexFailure, match="is no index"):
        References(tmp_path / "index")
    assert not ran.exists()
