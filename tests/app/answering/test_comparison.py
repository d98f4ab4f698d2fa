"""Two sides of one question: interleaved, each with its own outcome, scored the same way."""

import asyncio
from collections.abc import Callable

import pytest

from app.answering.answer import Answer, ModelName
from app.answering.answerer import Answerer
from app.answering.comparison import Comparison, Finished, Piece, compare
from app.engine.checkpoint import Checkpoint
from app.engine.interface import Decoding
from app.errors import GenerationFailed, ServiceError
from tests.app.conftest import FakeEngine

Build = Callable[..., Answerer]
Pair = dict[ModelName, Answerer]
LONG = Decoding(max_new_tokens=100)


def _pair(answerer: Build, fine_tuned: FakeEngine, base: FakeEngine) -> Pair:
    return {
        "fine-tuned": answerer(fine_tuned, model="fine-tuned"),
        "base": answerer(base, model="base"),
    }


async def _compare(pair: Pair, reference: str | None = None) -> tuple[list[Piece], Comparison]:
    events = [event async for event in compare(pair, "What is asthma?", LONG, reference)]
    assert isinstance(events[-1], Comparison)
    return [event for event in events if isinstance(event, Piece)], events[-1]


async def test_pieces_interleave_and_add_up(
    answerer: Build, fine_tuned: Checkpoint, base: Checkpoint
) -> None:
    pair = _pair(
        answerer,
        FakeEngine(fine_tuned, "A disease of the airways.", end=True, seconds_per_token=0.01),
        FakeEngine(base, "The the the the the the", seconds_per_token=0.01),
    )
    pieces, comparison = await _compare(pair)
    order = [piece.model for piece in pieces]
    assert order != sorted(order)
    assert order != sorted(order, reverse=True)
    for model, side in comparison.sides.items():
        assert isinstance(side.outcome, Answer)
        assert side.scores is None
        assert "".join(piece.text for piece in pieces if piece.model == model) == side.outcome.text


async def test_one_side_fails_alone(
    answerer: Build, fine_tuned: Checkpoint, base: Checkpoint
) -> None:
    pair = _pair(
        answerer,
        FakeEngine(fine_tuned, "A disease.", end=True),
        FakeEngine(base, "The", error=GenerationFailed("broken")),
    )
    _, comparison = await _compare(pair)
    assert isinstance(comparison.sides["fine-tuned"].outcome, Answer)
    assert isinstance(comparison.sides["base"].outcome, ServiceError)


async def test_each_outcome_is_told_as_soon_as_it_is_there(
    answerer: Build, fine_tuned: Checkpoint, base: Checkpoint
) -> None:
    pair = _pair(
        answerer,
        FakeEngine(fine_tuned, "A disease.", end=True),
        FakeEngine(base, "The the the the the the", seconds_per_token=0.02),
    )
    *events, comparison = [event async for event in compare(pair, "?", LONG, None)]
    assert isinstance(comparison, Comparison)
    told = {event.model: place for place, event in enumerate(events) if isinstance(event, Finished)}
    last = {event.model: place for place, event in enumerate(events) if isinstance(event, Piece)}
    assert last["fine-tuned"] < told["fine-tuned"] < last["base"] < told["base"]
    outcomes = {event.model: event.side for event in events if isinstance(event, Finished)}
    assert outcomes == comparison.sides


async def test_a_failure_waits_for_a_sign_of_the_other_model(
    answerer: Build, fine_tuned: Checkpoint, base: Checkpoint
) -> None:
    pair = _pair(
        answerer,
        FakeEngine(fine_tuned, "A disease.", end=True, seconds_per_token=0.02),
        FakeEngine(base, error=GenerationFailed("broken")),
    )
    first, second, *_ = [event async for event in compare(pair, "?", LONG, None)]
    assert isinstance(first, Piece)
    assert isinstance(second, Finished)
    assert second.model == "base"


async def test_both_failing_is_a_failure(
    answerer: Build, fine_tuned: Checkpoint, base: Checkpoint
) -> None:
    broken = GenerationFailed("broken")
    pair = _pair(
        answerer, FakeEngine(fine_tuned, error=broken), FakeEngine(base, "x", error=broken)
    )
    with pytest.raises(GenerationFailed):
        await _compare(pair)


async def test_both_failing_at_once_is_all_that_is_told(
    answerer: Build, fine_tuned: Checkpoint, base: Checkpoint
) -> None:
    engines = [FakeEngine(model, error=GenerationFailed("broken")) for model in (fine_tuned, base)]
    with pytest.raises(GenerationFailed):
        await anext(compare(_pair(answerer, *engines), "?", LONG, None))


async def test_a_reference_scores_both_sides(
    answerer: Build, fine_tuned: Checkpoint, base: Checkpoint
) -> None:
    pair = _pair(
        answerer,
        FakeEngine(fine_tuned, "Asthma is a lung disease", end=True),
        FakeEngine(base, "bananas"),
    )
    _, comparison = await _compare(pair, reference="asthma is a disease")
    ours, theirs = (comparison.sides[model].scores for model in ("fine-tuned", "base"))
    assert ours
    assert theirs
    assert ours.rouge_l == pytest.approx(8 / 9)
    assert ours.token_f1 == pytest.approx(6 / 7)  # without "a"
    assert theirs.rouge_l == theirs.token_f1 == 0
    assert ours.bits_per_byte
    assert ours.bits_per_byte > 0


async def test_closing_cancels_both_sides(
    answerer: Build, fine_tuned: Checkpoint, base: Checkpoint
) -> None:
    engines = [
        FakeEngine(checkpoint, "slow slow slow slow", seconds_per_token=0.05)
        for checkpoint in (fine_tuned, base)
    ]
    events = compare(_pair(answerer, *engines), "?", LONG, None)
    await anext(events)
    assert [engine.in_flight for engine in engines] == [1, 1]
    await events.aclose()
    await asyncio.sleep(0)
    assert [engine.in_flight for engine in engines] == [0, 0]
