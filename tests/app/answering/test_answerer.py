"""A question becomes an answer: where it stops, what it took, what happens when it cannot."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from app.answering.answer import Answer
from app.answering.answerer import Answerer, Deadlines, finished
from app.answering.prompt_format import PromptFormat
from app.engine.admission import Limits
from app.engine.checkpoint import Checkpoint
from app.engine.interface import Decoding
from app.errors import DeadlineExceeded, GenerationFailed, InvalidField, PromptTooLong
from tests.app.conftest import FakeEngine, running_engine

Build = Callable[..., Answerer]
LONG = Decoding(max_new_tokens=100)


async def test_an_answer_that_ends_itself(answerer: Build, fine_tuned: Checkpoint) -> None:
    engine = FakeEngine(fine_tuned, "Asthma is a disease.", end=True)
    answer = await answerer(engine).answer("What is asthma?", LONG)
    assert (answer.text, answer.finish_reason) == ("Asthma is a disease.", "end")
    assert answer.completion_tokens == len(engine.ids)
    assert answer.prompt_tokens == len(engine.prompts[0])
    assert answer.queue_seconds == 0.25
    assert 0 < answer.first_token_seconds <= answer.total_seconds


async def test_an_answer_cut_by_its_limit(answerer: Build, fine_tuned: Checkpoint) -> None:
    engine = FakeEngine(fine_tuned, "Asthma is a disease of the airways.")
    answer = await answerer(engine).answer("What is asthma?", Decoding(max_new_tokens=2))
    assert answer.finish_reason == "length"
    assert answer.completion_tokens == 2


async def test_the_base_stops_at_the_text_end(answerer: Build, base: Checkpoint) -> None:
    engine = FakeEngine(base, "A disease.<end> And then nonsense")
    answer = await answerer(engine, model="base").answer("What is asthma?", LONG)
    assert (answer.text, answer.finish_reason) == ("A disease.", "end")
    assert answer.completion_tokens < len(engine.ids)
    assert engine.in_flight == 0


async def test_both_models_get_the_same_prompt_text(
    answerer: Build, fine_tuned: Checkpoint, base: Checkpoint
) -> None:
    texts = set()
    for checkpoint in (fine_tuned, base):
        engine = FakeEngine(checkpoint, "x")
        await answerer(engine).answer("Is <end> safe?", LONG)
        texts.add(checkpoint.tokenizer.decode(engine.prompts[0]))
    assert texts == {"<question>Is <end> safe?<answer>"}


async def test_pieces_add_up_to_the_answer(answerer: Build, fine_tuned: Checkpoint) -> None:
    engine = FakeEngine(fine_tuned, "Wheezing, coughing < or 😀", end=True)
    events = [event async for event in answerer(engine).stream("?", LONG)]
    assert isinstance(events[-1], Answer)
    assert "".join(piece for piece in events[:-1] if isinstance(piece, str)) == events[-1].text
    assert events[-1].text == "Wheezing, coughing < or 😀"


async def test_of_what_nobody_reads_along_with_the_first_piece_alone_comes_before_the_end(
    answerer: Build, fine_tuned: Checkpoint
) -> None:
    engine = FakeEngine(fine_tuned, "Wheezing, coughing and tightness", end=True)
    whole = replace(LONG, streamed=False)
    first, answer = [event async for event in answerer(engine).stream("?", whole)]
    assert isinstance(answer, Answer)
    assert answer.text == "Wheezing, coughing and tightness"
    assert isinstance(first, str)
    assert len(first) < len(answer.text)
    assert answer.text.startswith(first)


async def test_the_deadline_ends_the_answer(answerer: Build, fine_tuned: Checkpoint) -> None:
    engine = FakeEngine(fine_tuned, "very slow indeed", seconds_per_token=0.2)
    with pytest.raises(DeadlineExceeded):
        await answerer(engine, timeout_seconds=0.3).answer("?", LONG)
    assert engine.in_flight == 0


async def test_the_queue_has_its_own_deadline(
    fine_tuned: Checkpoint, tiny_format: PromptFormat
) -> None:
    engine = FakeEngine(fine_tuned, "slow at first, then quick", seconds_per_token=0.3)
    impatient = Answerer("fine-tuned", engine, tiny_format, Deadlines(0.1, 60.0))
    with pytest.raises(DeadlineExceeded):
        await impatient.answer("?", LONG)
    engine.seconds_per_token = 0.03
    answer = await Answerer("fine-tuned", engine, tiny_format, Deadlines(0.1, 60.0)).answer(
        "?", LONG
    )
    assert answer.text == "slow at first, then quick"


async def test_the_models_own_guard_fills_what_the_request_leaves_out(
    fine_tuned: Checkpoint, tiny_format: PromptFormat
) -> None:
    engine = FakeEngine(fine_tuned, "x")
    guarded = Answerer("fine-tuned", engine, tiny_format, Deadlines(5, 5), no_repeat_ngram_size=6)
    used = [
        (await guarded.answer("?", Decoding(5, no_repeat_ngram_size=asked))).decoding
        for asked in (None, 0, 3)
    ]
    assert [decoding.no_repeat_ngram_size for decoding in used] == [6, 0, 3]


async def test_an_engine_that_fails(answerer: Build, fine_tuned: Checkpoint) -> None:
    engine = FakeEngine(fine_tuned, "Asthma", error=GenerationFailed("it failed"))
    with pytest.raises(GenerationFailed):
        await answerer(engine).answer("?", LONG)
    assert engine.in_flight == 0


async def test_cancelling_the_caller_cancels_the_answer(
    answerer: Build, fine_tuned: Checkpoint
) -> None:
    engine = FakeEngine(fine_tuned, "very slow indeed", seconds_per_token=0.2)
    task = asyncio.create_task(answerer(engine).answer("?", LONG))
    await asyncio.sleep(0.1)
    assert engine.in_flight == 1
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert engine.in_flight == 0


async def test_a_body_full_of_reference_is_not_encoded_to_its_end(
    answerer: Build, fine_tuned: Checkpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    encoded: list[int] = []
    encode = type(fine_tuned.tokenizer).encode

    def watched(tokenizer: Any, text: str) -> list[int]:
        encoded.append(len(text))
        return encode(tokenizer, text)

    monkeypatch.setattr(type(fine_tuned.tokenizer), "encode", watched)
    with pytest.raises(PromptTooLong):
        await answerer(FakeEngine(fine_tuned)).bits_per_byte("?", "airways and lungs " * 3_000)
    assert max(encoded) <= 2_000
    assert sum(encoded) < 20_000


async def test_bits_per_byte_counts_bytes(answerer: Build, fine_tuned: Checkpoint) -> None:
    engine = FakeEngine(fine_tuned)
    tokens = len(fine_tuned.tokenizer.encode("é"))
    assert await answerer(engine).bits_per_byte("?", "é") == 8.0 * tokens / 2


async def test_the_same_question_has_the_same_answer(pair: Path, tiny_format: PromptFormat) -> None:
    async with running_engine(pair / "fine-tuned", Limits(4, 2, 64)) as engine:
        one = Answerer("fine-tuned", engine, tiny_format, Deadlines(30.0, 30.0))
        answers = [await one.answer("What is asthma?", Decoding(10)) for _ in range(2)]
        together = await asyncio.gather(
            *(one.answer("What is asthma?", Decoding(10)) for _ in range(3))
        )
    assert len({answer.text for answer in [*answers, *together]}) == 1
    assert answers[0].text


async def test_a_prompt_of_no_tokens_is_refused_by_name(
    answerer: Build, fine_tuned: Checkpoint
) -> None:
    engine = FakeEngine(fine_tuned, "A disease.", end=True)
    with pytest.raises(InvalidField, match="prompt: becomes no tokens"):
        await finished(answerer(engine).complete("", Decoding(5)))
    assert not engine.prompts


async def test_a_reference_of_no_tokens_has_no_score(
    answerer: Build, fine_tuned: Checkpoint
) -> None:
    assert await answerer(FakeEngine(fine_tuned)).bits_per_byte("?", "") is None
