"""Guesses: what they follow, and how many are worth their time."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.engine.drafting import LONGEST, Drafter, StepCost


def test_the_longest_earlier_match_goes_on_as_it_did() -> None:
    text = [1, 2, 3, 4, 5, 9, 2, 3, 6, 7, 1, 2, 3]
    assert Drafter(text, None).draft(3) == [4, 5, 9]  # three tokens match there, two later on
    assert Drafter(text, None).draft(1) == [4]
    assert Drafter([1, 2, 3], None).draft(3) == []
    assert Drafter([5], None).draft(3) == []
    assert Drafter([5, 5, 5, 5], None).draft(3) == [5]  # no more than stands there


@given(
    text=st.lists(st.sampled_from([1, 256, 65_536, 257]), max_size=40),
    more=st.lists(st.sampled_from([1, 256, 65_536, 257]), max_size=10),
)
def test_a_guess_stands_after_an_earlier_match(text: list[int], more: list[int]) -> None:
    drafter = Drafter(text, None)
    for token in more:
        drafter.extend(token)
    whole = text + more
    earlier = [
        place + 2 for place in range(len(whole) - 2) if whole[place : place + 2] == whole[-2:]
    ]
    guess = drafter.draft(2)
    assert bool(guess) == bool(earlier)
    assert not guess or any(whole[place : place + len(guess)] == guess for place in earlier)


def test_the_chance_follows_what_was_right_of_late() -> None:
    drafter = Drafter([1], None)
    assert drafter.chance == 0.5
    for _ in range(30):
        drafter.learn(4, 4)
    assert drafter.chance > 0.9
    for _ in range(60):
        drafter.learn(4, 0)
    assert drafter.chance < 0.15
    for _ in range(60):
        drafter.learn(0, 0)  # none were made: it is forgotten, and tried anew
    assert drafter.chance == pytest.approx(0.5, abs=0.01)


def test_how_many_are_worth_their_time() -> None:
    cost = StepCost()
    assert cost.lengths([]) == []
    assert cost.lengths([0.95]) == [LONGEST]
    assert cost.lengths([0.01]) == [0]
    assert sum(cost.lengths([0.5] * 64)) == 0, "a full batch has no time for them"
    likely, unlikely = cost.lengths([0.9, 0.2])
    assert likely > unlikely


@pytest.mark.parametrize(("base", "slope"), [(10e-3, 0.5e-3), (1e-3, 1e-3), (5e-3, 0.0)])
def test_the_cost_of_a_token_is_learnt_from_steps(base: float, slope: float) -> None:
    cost = StepCost()
    for _ in range(50):
        cost.learn(1, base + slope)
    assert cost.per_token == 0.07, "steps that are all alike tell nothing"
    for number in range(400):
        cost.learn(1 + number % 16, base + slope * (1 + number % 16))
    assert cost.per_token == pytest.approx(max(slope / base, 0.01), rel=0.02)
