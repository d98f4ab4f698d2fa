"""References are scored beside the answers, in their places, and hold nothing up."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from app.engine.admission import Limits
from app.engine.requests import Scoring
from app.engine.sampling import Choice, Row, choose
from app.engine.scheduler import Scheduler
from app.errors import GenerationFailed
from tests.app.engine.fake_backend import FakeBackend, row
from tests.app.engine.test_scheduler import _answer, _finished, _greedy, _ids, _scheduler


def test_a_reference_whose_loss_has_no_memory_fails_alone() -> None:
    errors = [MemoryError("the logits of 32 rows")]

    def starved(logits: Any, rows: Sequence[Row]) -> list[Choice]:
        if errors:
            raise errors.pop()
        return choose(logits, rows)

    scheduler = Scheduler(FakeBackend(), starved, Limits(4, 0, 64), drafts=False)
    scheduler.add(0, Scoring([1, 2], [3, 4, 5]))
    (failed,) = scheduler.step()
    assert isinstance(failed.result, GenerationFailed)
    assert scheduler.idle
    assert _ids(_finished(scheduler, {1: _answer([2, 9], 10)})[1]) == _greedy([2, 9], 10)


def test_a_reference_is_scored_beside_the_answers_in_small_chunks() -> None:
    backend = FakeBackend(128)
    scheduler = _scheduler(backend, running=4, batch=64)
    prompt, continuation = [5, 9, 17] * 4, [n % 50 for n in range(150)]
    scheduler.add(0, _answer([1, 2], 100))
    scheduler.step()
    scheduler.add(1, Scoring(prompt, continuation))
    bits = None
    while bits is None:
        outcomes = {number: result for number, result, _ in scheduler.step()}
        assert 0 in outcomes, "the answer went on"
        bits = outcomes.get(1)
        assert sum(run.wanted for run in backend.steps[-1]) <= 33
    text = prompt + continuation
    expected = 0.0
    for place in range(len(prompt), len(text)):
        logits = row(text[:place]).astype(float)
        expected += np.log(np.exp(logits).sum()) - logits[text[place]]
    assert bits == pytest.approx(expected / math.log(2), rel=1e-6)
    scheduler.cancel(0)
    assert scheduler.idle


def test_what_is_scored_leaves_room_to_answers_and_their_prompts() -> None:
    backend = FakeBackend(blocks=200)
    scheduler = _scheduler(backend, running=6, batch=64)
    for number in range(4):
        scheduler.add(number, Scoring([5, 9], [7] * 90))
    scheduler.step()
    assert [len(run.tokens) for run in backend.steps[0]] == [33, 31]  # nobody else is there
    scheduler.add(4, _answer([11] * 30))
    scheduler.step()
    prompt, *scored = [len(run.tokens) for run in backend.steps[1]]
    assert prompt == 30  # before those who came earlier
    assert sum(scored) == 34
    scheduler.step()
    made, *scored = [len(run.tokens) for run in backend.steps[2]]
    assert (made, sum(scored)) == (1, 15)  # twice as long, where a token takes 0.07 of one of none


def test_scoring_a_single_token_of_a_single_prompt_token() -> None:
    scheduler = _scheduler(FakeBackend())
    scheduler.add(0, Scoring([5], [6]))
    ((_, bits, over),) = scheduler.step()
    logits = row([5]).astype(float)
    expected = (np.log(np.exp(logits).sum()) - logits[6]) / math.log(2)
    assert over
    assert bits == pytest.approx(expected, rel=1e-6)
