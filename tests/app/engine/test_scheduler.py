"""The scheduler over a fake model: who runs when, what a step reads, and how requests end."""

from typing import Any

import numpy as np
import pytest

from app.engine.admission import Limits
from app.engine.drafting import Drafter, StepCost
from app.engine.guard import RepetitionGuard
from app.engine.interface import Decoding, Token
from app.engine.requests import Generation
from app.engine.sampling import choose
from app.engine.scheduler import Scheduler
from app.errors import GenerationFailed
from tests.app.engine.fake_backend import FakeBackend, row

PROMPTS = [[5, 9, 17], [33, 8, 12, 6, 31, 7], [25, 3], [11] * 30, [40, 41, 42, 43]]


def _scheduler(
    backend: FakeBackend, *, running: int = 4, batch: int = 64, drafts: bool = False
) -> Scheduler:
    return Scheduler(backend, choose, Limits(running, 0, batch), drafts)


def _answer(
    prompt: list[int], tokens: int = 12, end: int | None = None, owner: int = 0, **decoding: Any
) -> Generation:
    wanted = Decoding(tokens, **decoding)
    size = wanted.no_repeat_ngram_size
    guard = RepetitionGuard(prompt, size, frozenset()) if size else None
    answer = Generation(prompt, wanted, end, guard, Drafter(prompt, None))
    answer.owner = owner
    return answer


def _finished(scheduler: Scheduler, requests: dict[int, Any]) -> dict[int, list[Token]]:
    """Run requests to their end; return each one's tokens."""
    for number, request in requests.items():
        assert scheduler.add(number, request) is None
    made: dict[int, list[Token]] = {number: [] for number in requests}
    while not scheduler.idle:
        for number, result, _ in scheduler.step():
            assert isinstance(result, list), result
            made[number] += result
    return made


def _ids(tokens: list[Token]) -> list[int]:
    return [token.id for token in tokens]


def _greedy(prompt: list[int], tokens: int) -> list[int]:
    text = list(prompt)
    for _ in range(tokens):
        text.append(int(row(text).argmax()))
    return text[len(prompt) :]


@pytest.mark.parametrize("drafts", [False, True])
@pytest.mark.parametrize("batch", [3, 20, 64])
def test_each_gets_the_tokens_that_it_would_get_alone(batch: int, drafts: bool) -> None:
    scheduler = _scheduler(FakeBackend(), batch=batch, drafts=drafts)
    made = _finished(scheduler, {n: _answer(prompt, 40) for n, prompt in enumerate(PROMPTS)})
    assert [_ids(made[n]) for n in range(5)] == [_greedy(prompt, 40) for prompt in PROMPTS]


@pytest.mark.parametrize(
    "decoding",
    [
        {},
        {"no_repeat_ngram_size": 3},
        {"temperature": 0.7, "seed": 5},
        {"temperature": 0.3, "seed": 6, "top_p": 0.8, "no_repeat_ngram_size": 2},
    ],
)
def test_guesses_change_nothing_but_the_number_of_steps(
    decoding: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(StepCost, "learn", lambda *_: None)  # of a fake's seconds, and a busy host
    made, steps = [], []
    for drafts in (False, True):
        backend = FakeBackend(order=1)
        scheduler = _scheduler(backend, drafts=drafts)
        prompts = {n: _answer(prompt, 60, **decoding) for n, prompt in enumerate(PROMPTS)}
        made.append({n: _ids(tokens) for n, tokens in _finished(scheduler, prompts).items()})
        steps.append(len(backend.steps))
        assert bool(scheduler.drafted) == drafts
        assert scheduler.accepted <= scheduler.drafted
    assert made[0] == made[1]
    if not decoding:
        assert scheduler.accepted > 0
        assert steps[1] < steps[0] / 2


def test_a_seeded_answer_is_the_same_alone_and_in_a_batch() -> None:
    def sampled() -> Generation:
        return _answer(PROMPTS[0], 30, temperature=1.0, seed=7)

    alone = _finished(_scheduler(FakeBackend()), {0: sampled()})[0]
    others = {n: _answer(prompt, 30, temperature=1.5) for n, prompt in enumerate(PROMPTS, 1)}
    among = _finished(_scheduler(FakeBackend(128), running=8), others | {0: sampled()})[0]
    assert _ids(alone) == _ids(among)
    unseeded = [
        _ids(_finished(_scheduler(FakeBackend()), {0: _answer([5], 30, temperature=1.0)})[0])
        for _ in range(2)
    ]
    assert unseeded[0] != unseeded[1]


def test_the_last_token_says_how_the_answer_ended() -> None:
    expected = _greedy(PROMPTS[0], 12)
    cut, ended = (
        _finished(_scheduler(FakeBackend()), {0: _answer(PROMPTS[0], 5, end=end)})[0]
        for end in (None, expected[3])
    )
    assert [token.last for token in cut] == [False] * 4 + [True]
    assert not cut[-1].ended
    assert _ids(ended) == expected[: expected.index(expected[3]) + 1]
    assert ended[-1].ended
    assert ended[-1].last
    assert all(token.queue_seconds >= 0 for token in [*cut, *ended])


def test_a_prompt_slows_running_answers_by_one_chunk_at_most() -> None:
    backend = FakeBackend(128)
    scheduler = _scheduler(backend, running=8, batch=24)
    for number in range(4):
        scheduler.add(number, _answer([5, number], 60))
    while not all(len(run.tokens) == 1 for run in (scheduler.step(), backend.steps[-1])[1]):
        pass
    scheduler.add(9, _answer([7] * 100, 5))
    scheduler.add(10, _answer([8] * 3, 5))
    before = len(backend.steps)
    firsts: dict[int, int] = {}
    while len(firsts) < 2:
        for number, _, _ in scheduler.step():
            firsts.setdefault(number, len(backend.steps)) if number > 8 else None
    assert firsts[9] - before == 5  # 100 tokens, at most 20 beside the four
    for step in backend.steps[before:]:
        assert len(step) >= 4, "all answers went on"
        assert sum(len(run.tokens) for run in step) <= 24
    assert firsts[10] == firsts[9] + 1  # it came later


def test_a_full_batch_leaves_prompts_a_little() -> None:
    backend = FakeBackend(128)
    scheduler = _scheduler(backend, running=8, batch=2)
    made = _finished(scheduler, {n: _answer([n] * 20, 30) for n in range(6)})
    assert all(len(tokens) == 30 for tokens in made.values())


def test_blocks_are_lent_for_what_an_answer_can_need() -> None:
    backend = FakeBackend(blocks=8, block_tokens=4)  # 32 tokens
    scheduler = _scheduler(backend, running=10)
    for number in range(4):
        scheduler.add(number, _answer([number] * 4, 4))  # 8 tokens each: all fit
    scheduler.add(4, _answer([4] * 3, 25))  # needs 28 of them
    scheduler.add(5, _answer([5], 1))  # would fit, but came later
    made: dict[int, int] = {}
    while not scheduler.idle:
        for number, _, over in scheduler.step():
            if over:
                made[number] = len(backend.steps)
    assert made[0] == made[3] == 4
    assert made[4] == 4 + 25
    assert made[5] == 5
    assert len(backend.steps[0]) == 4


def test_what_can_never_fit_is_said_at_once() -> None:
    scheduler = _scheduler(FakeBackend(blocks=2, block_tokens=4))
    outcome = scheduler.add(3, _answer([1] * 5, 4))
    assert outcome is not None
    assert outcome.over
    assert isinstance(outcome.result, GenerationFailed)
    assert scheduler.idle


def test_cancelled_requests_leave_at_once_and_free_their_blocks() -> None:
    backend = FakeBackend(blocks=8, block_tokens=4)
    scheduler = _scheduler(backend, running=1)
    scheduler.add(0, _answer([1, 2], 30))
    scheduler.add(1, _answer([3, 4], 30))
    scheduler.add(2, _answer([5, 6], 3))
    scheduler.step()
    scheduler.cancel(0)
    scheduler.cancel(1)  # it still waited
    scheduler.cancel(77)
    made = []
    while not scheduler.idle:
        made += scheduler.step()
    assert {outcome.number for outcome in made} == {2}
    assert scheduler.step() == []
    whole = _finished(scheduler, {5: _answer([1, 2], 30)})  # all blocks are free again
    assert _ids(whole[5]) == _greedy([1, 2], 30)


def test_a_step_without_memory_fails_its_answers_and_no_others() -> None:
    backend = FakeBackend(blocks=16)
    scheduler = _scheduler(backend, running=2)
    for number in range(3):
        scheduler.add(number, _answer([number, 9], 10))
    scheduler.step()
    backend.errors = [MemoryError("2 GiB at 0xdead")]
    failed = scheduler.step()
    assert [outcome.number for outcome in failed] == [0, 1]
    assert all(isinstance(each.result, GenerationFailed) and each.over for each in failed)
    assert "GiB" not in str(failed[0].result)
    made = []
    while not scheduler.idle:
        for each in scheduler.step():
            assert isinstance(each.result, list)
            made += each.result
    assert _ids(made) == _greedy([2, 9], 10)


def test_any_other_error_is_raised_and_all_can_be_failed() -> None:
    backend = FakeBackend()
    scheduler = _scheduler(backend, running=1)
    scheduler.add(0, _answer([1, 2], 10))
    scheduler.add(1, _answer([3, 4], 10))
    backend.errors = [RuntimeError("a kernel failed")]
    with pytest.raises(RuntimeError, match="kernel"):
        scheduler.step()
    assert {outcome.number for outcome in scheduler.fail_all()} == {0, 1}
    assert scheduler.idle


def test_logprobs_are_of_the_model_whatever_is_banned() -> None:
    scheduler = _scheduler(FakeBackend())
    decoding = {"logprobs": 3, "no_repeat_ngram_size": 1}
    tokens = _finished(scheduler, {0: _answer([5, 9], 8, **decoding)})[0]
    text = [5, 9]
    for token in tokens:
        logits = row(text).astype(float)
        logprobs = logits - np.log(np.exp(logits).sum())
        assert token.logprob == pytest.approx(logprobs[token.id], abs=1e-5)
        best = np.argsort(-logprobs)[:3]
        assert [each for each, _ in token.top] == best.tolist()
        assert [value for _, value in token.top] == pytest.approx(logprobs[best], abs=1e-5)
        text.append(token.id)
    assert any(token.id != token.top[0][0] for token in tokens), "the guard banned the likeliest"
