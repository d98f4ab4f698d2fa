"""What is read before an answer: sought once, cut to fit, none where nothing is found."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from app.answering.answerer import Answerer, Deadlines, finished
from app.answering.prompt_format import PromptFormat
from app.answering.reading import Reader, Reading, shown
from app.engine.checkpoint import Checkpoint
from app.engine.interface import Decoding
from app.errors import DeadlineExceeded
from app.references.passages import Passage
from tests.app.conftest import FakeEngine, loaded

QUESTION = "What is scurvy?"


@pytest.fixture(scope="module")
def reads(reading_pair: Any) -> Checkpoint:
    return loaded(reading_pair / "fine-tuned")


def published(text: str, title: str = "Scurvy") -> Passage:
    return Passage("2.xml#1", title, QUESTION, text, "GARD", "", "CC BY 4.0", 0.9)


class Found:
    """Finds the same passages whatever is asked; counts how often."""

    def __init__(self, *passages: Passage, error: Exception | None = None) -> None:
        self.passages = list(passages)
        self.error = error
        self.asked: list[str] = []

    async def find_passages(self, question: str, count: int, characters: int) -> list[Passage]:
        self.asked.append(question)
        await asyncio.sleep(0)
        if self.error:
            raise self.error
        return self.passages[:count]


def reader(checkpoint: Checkpoint, found: Found, **changes: Any) -> Reader:
    references: Any = found
    return Reader(references, PromptFormat.of_model(checkpoint), checkpoint, **changes)


async def test_a_passage_that_fits_is_read_whole(reads: Checkpoint) -> None:
    passage = published("A lack of vitamin C. It hurts.")
    assert await reader(reads, Found(passage)).read(QUESTION, 8) == [passage]


@pytest.mark.parametrize("new_tokens", [1, 16, 40])
async def test_it_is_cut_at_a_sentence_so_that_prompt_and_answer_fit(
    reads: Checkpoint, new_tokens: int
) -> None:
    text = " ".join(f"It has sign {number}." for number in range(30))
    made = reader(reads, Found(published(text)))
    (cut,) = await made.read(QUESTION, new_tokens)
    assert text.startswith(cut.text)
    assert cut.text.endswith(".")
    prompt = made.prompt_format.encode(QUESTION, reads.tokenizer, shown([cut]))
    room = reads.context_tokens - new_tokens
    assert len(prompt) <= room
    longer = published(f"{cut.text} It has sign 99.")
    prompt = made.prompt_format.encode(QUESTION, reads.tokenizer, shown([longer]))
    assert len(prompt) > room - 32, "no more would have fitted"


async def test_the_longer_the_answer_may_be_the_less_is_read(reads: Checkpoint) -> None:
    text = " ".join(f"It has sign {number}." for number in range(30))
    made = reader(reads, Found(published(text)))
    (much,), (little,) = await made.read(QUESTION, 1), await made.read(QUESTION, 40)
    assert len(little.text) < len(much.text)


async def test_no_passage_is_longer_than_those_learned_from(reads: Checkpoint) -> None:
    text = "One sign. Two signs. Three signs. Four signs."
    (cut,) = await reader(reads, Found(published(text)), passage_tokens=20).read(QUESTION, 8)
    assert 0 < len(reads.tokenizer.encode(cut.text)) <= 20
    assert text.startswith(f"{cut.text} ")


async def test_a_long_list_ends_at_a_comma(reads: Checkpoint) -> None:
    text = "Signs are " + ", ".join(f"sign {number}" for number in range(30)) + "."
    (cut,) = await reader(reads, Found(published(text))).read(QUESTION, 8)
    assert cut.text.endswith(" …")
    assert cut.text.count("…") == 1
    assert text.startswith(cut.text.removesuffix(" …"))


async def test_only_the_best_passage_is_read(reads: Checkpoint) -> None:
    short = [published("A lack."), published("It hurts.", "Gout")]
    assert await reader(reads, Found(*short)).read(QUESTION, 8) == short[:1]
    assert await reader(reads, Found(published("word " * 100))).read(QUESTION, 8) == []


async def test_whoever_asks_for_the_whole_context_still_has_something_read(
    reads: Checkpoint,
) -> None:
    text = " ".join(f"It has sign {number}." for number in range(60))
    larger = replace(reads, context_tokens=512)
    made = reader(larger, Found(published(text)), passage_tokens=512)
    (some,) = await made.read(QUESTION, 512)
    assert [some] == await made.read(QUESTION, 256), "the answer keeps half"
    assert len(some.text) < len((await made.read(QUESTION, 8))[0].text)
    prompt = made.prompt_format.encode(QUESTION, reads.tokenizer, shown([some]))
    assert len(prompt) <= 256


async def test_both_models_get_what_was_sought_once(reads: Checkpoint) -> None:
    found = Found(published("A lack."))
    reading = Reading(reader(reads, found), QUESTION, 8)
    first, second = await asyncio.gather(reading.passages(), reading.passages())
    assert first == second == found.passages
    assert found.asked == [QUESTION]


async def test_one_side_that_goes_away_does_not_take_the_passages_from_the_other(
    reads: Checkpoint,
) -> None:
    found = Found(published("A lack."))
    reading = Reading(reader(reads, found), QUESTION, 8)
    gone = asyncio.create_task(reading.passages())
    stays = asyncio.create_task(reading.passages())
    await asyncio.sleep(0)
    gone.cancel()
    assert await stays == found.passages


async def test_nothing_found_is_told(reads: Checkpoint) -> None:
    assert await Reading(reader(reads, Found()), QUESTION, 8).passages() == []


async def test_without_a_reader_nothing_is_read() -> None:
    assert await Reading(None, QUESTION, 8).passages() is None


def test_passages_are_shown_by_topic_and_text() -> None:
    assert shown(None) is None
    assert shown([]) == []
    assert shown([published("A lack.")]) == [("Scurvy", "A lack.")]


async def test_a_search_that_hangs_is_ended_by_the_answers_deadline(reads: Checkpoint) -> None:
    class Hanging(Found):
        async def find_passages(self, *_: Any) -> list[Passage]:
            await asyncio.sleep(60)
            raise AssertionError("nobody waits so long")

    made = reader(reads, Hanging())
    engine = FakeEngine(reads, "A disease.", end=True)
    answerer = Answerer("fine-tuned", engine, made.prompt_format, Deadlines(0.1, 5.0))
    with pytest.raises(DeadlineExceeded):
        await finished(answerer.stream(QUESTION, Decoding(8), (), Reading(made, QUESTION, 8)))
    assert engine.prompts == []
