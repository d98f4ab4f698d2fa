"""Whose requests go first: those of whoever has least come soonest."""

import itertools
from collections.abc import Sequence

import pytest

from app.engine.drafting import Drafter, StepCost
from app.engine.fairness import in_turn, shared
from app.engine.interface import Decoding
from app.engine.requests import Generation, Scoring
from app.engine.scheduler import Scheduler
from tests.app.engine.fake_backend import FakeBackend
from tests.app.engine.test_scheduler import _answer, _greedy, _scheduler

GREEDY, MODEST, THIRD = 7, 8, 9


def _of(*owners: int) -> list[tuple[int, Generation]]:
    """Return requests, numbered by age, of these owners."""
    requests = []
    for number, owner in enumerate(owners):
        requests.append((number, Generation([1], Decoding(4), None, None, Drafter([1], None))))
        requests[-1][1].owner = owner
    return requests


def _numbers(requests: Sequence[tuple[int, Generation]]) -> list[int]:
    return [number for number, _ in requests]


def test_one_owners_requests_stay_in_order_and_all_are_alike() -> None:
    requests = _of(GREEDY, GREEDY, GREEDY)
    assert in_turn(requests) == requests
    assert shared(requests) == (requests, [])
    assert shared([]) == ([], [])


def test_everybodys_first_comes_before_anybodys_second() -> None:
    requests = _of(GREEDY, GREEDY, GREEDY, MODEST, THIRD, MODEST)
    assert _numbers(in_turn(requests)) == [0, 3, 4, 1, 5, 2]


def test_what_an_owner_has_already_counts() -> None:
    running = [request for _, request in _of(GREEDY, GREEDY, MODEST)]
    assert _numbers(in_turn(_of(GREEDY, MODEST, THIRD, MODEST), running)) == [2, 1, 0, 3]


def test_what_some_have_beyond_the_others_is_told_apart() -> None:
    alike, beyond = shared(_of(GREEDY, GREEDY, GREEDY, MODEST, THIRD, THIRD))
    assert _numbers(alike) == [0, 3, 4]
    assert _numbers(beyond) == [1, 5, 2]
    alike, beyond = shared(_of(GREEDY, GREEDY, MODEST, MODEST))
    assert _numbers(alike) == [0, 2, 1, 3]
    assert beyond == []


@pytest.fixture
def backend(monkeypatch: pytest.MonkeyPatch) -> FakeBackend:
    """A model whose token takes 0.07 of a step of none, whatever the host is doing."""
    monkeypatch.setattr(StepCost, "learn", lambda *_: None)
    return FakeBackend(blocks=400)


def _scored(owner: int, tokens: int = 50) -> Scoring:
    scoring = Scoring([5], [7] * tokens)
    scoring.owner = owner
    return scoring


def _read(scheduler: Scheduler, backend: FakeBackend) -> list[int]:
    """Take a step; return how many tokens it read of each request, in its order."""
    scheduler.step()
    return [len(run.tokens) for run in backend.steps[-1]]


def test_one_question_is_slowed_little_by_sixteen_of_another(backend: FakeBackend) -> None:
    scheduler = _scheduler(backend, running=32)
    for number in range(16):
        scheduler.add(number, _answer([number, 3], 40, owner=GREEDY))
    assert len(_read(scheduler, backend)) == 16
    scheduler.add(16, _answer([20] * 5, 6, owner=MODEST))
    assert _read(scheduler, backend) == [1, 5, 1, 1, 1, 1, 1]
    made = [outcome for _ in range(5) for outcome in scheduler.step()]
    assert max(len(step) for step in backend.steps[-5:]) == 6  # a quarter longer than two
    assert [each.over for each in made if each.number == 16] == [False] * 4 + [True]
    assert len(_read(scheduler, backend)) == 16  # alone again, with every place


def test_a_prompt_beyond_the_share_is_read_in_small_pieces(backend: FakeBackend) -> None:
    scheduler = _scheduler(backend, running=32)
    scheduler.add(0, _answer([1, 2], 30, owner=GREEDY))
    scheduler.add(1, _answer([3, 4], 30, owner=MODEST))
    scheduler.step()
    scheduler.add(2, _answer([5] * 40, 5, owner=GREEDY))
    assert _read(scheduler, backend) == [1, 1, 4]
    scheduler.cancel(1)
    assert _read(scheduler, backend) == [1, 36]


def test_the_greedy_come_to_their_ends_beside_whoever_always_asks(backend: FakeBackend) -> None:
    scheduler = _scheduler(backend, running=8, batch=24)
    prompts = {number: [number, 3, 7] for number in range(12)}
    for number, prompt in prompts.items():
        scheduler.add(number, _answer(prompt, 20, owner=GREEDY))
    made: dict[int, list[int]] = {number: [] for number in prompts}
    ended: list[int] = []
    following = itertools.count(100)
    scheduler.add(99, _answer([9], 8, owner=MODEST))
    while len(ended) < len(prompts):
        for number, result, over in scheduler.step():
            assert isinstance(result, list)
            if number < 99:
                made[number] += [token.id for token in result]
                ended += [number] if over else []
            elif over:
                scheduler.add(next(following), _answer([9], 8, owner=MODEST))
    assert ended == sorted(ended), "the oldest ends first"
    assert made == {number: _greedy(prompt, 20) for number, prompt in prompts.items()}


def test_the_next_to_begin_is_of_whoever_has_fewest_running(backend: FakeBackend) -> None:
    scheduler = _scheduler(backend, running=2)
    for number in range(3):
        scheduler.add(number, _answer([number], 3 + number, owner=GREEDY))
    scheduler.step()
    scheduler.add(3, _answer([9], 2, owner=MODEST))
    made = [outcome.number for _ in range(8) for outcome in scheduler.step()]
    assert made.index(3) < made.index(2)  # that came earlier, as the third of its owner


def test_what_another_has_scored_gets_what_is_left_and_never_nothing(backend: FakeBackend) -> None:
    scheduler = _scheduler(backend, running=32)
    scheduler.add(0, _answer([1, 2], 30, owner=MODEST))
    scheduler.add(1, _scored(GREEDY))
    scheduler.step()
    assert _read(scheduler, backend) == [1, 3]  # a quarter longer than one
    for number in range(2, 7):
        scheduler.add(number, _answer([number], 30, owner=GREEDY))
    assert _read(scheduler, backend) == [1, 1, 1, 1, 1, 1, 1]
    assert backend.steps[-1][-1].wanted == 1


def test_everybodys_first_score_comes_before_anybodys_second(backend: FakeBackend) -> None:
    scheduler = _scheduler(backend, batch=64)
    for number, owner in enumerate((GREEDY, GREEDY, MODEST)):
        scheduler.add(number, _scored(owner, 20))
    ended = [outcome.number for _ in range(2) for outcome in scheduler.step()]
    assert ended[:2] == [0, 2]
