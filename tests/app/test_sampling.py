"""The guard against repetition: what it bans, by hand and beside upstream's."""

from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from transformers import NoRepeatNGramLogitsProcessor

from app.sampling import repeating

TOKENS = st.lists(st.integers(0, 3), max_size=30)


@pytest.mark.parametrize(
    ("prompt", "made", "size", "banned"),
    [
        ([], [1, 2, 3, 1, 2], 3, {3}),
        ([], [1, 2, 3, 1, 2, 4, 1, 2], 3, {3, 4}),
        ([9, 1, 2, 3], [1, 2, 3, 1, 2, 4, 1, 2], 3, {4}),  # it was asked about 1 2 3
        ([], [1, 2], 3, set()),
        ([], [7, 8, 7], 1, {7, 8}),
        ([8], [7, 8, 7], 1, {7}),
    ],
)
def test_what_would_repeat_is_banned(
    prompt: list[int], made: list[int], size: int, banned: set[int]
) -> None:
    assert set(repeating(prompt, made, size)) == banned


@given(made=TOKENS, size=st.integers(1, 4))
def test_without_a_prompt_it_bans_what_upstreams_bans(made: list[int], size: int) -> None:
    history: Any = torch.tensor([made], dtype=torch.long)
    scores: Any = torch.zeros(1, 4)
    expected = NoRepeatNGramLogitsProcessor(size)(history, scores).isinf()[0]
    assert set(repeating([], made, size)) == set(expected.nonzero().flatten().tolist())


@given(prompt=TOKENS, made=TOKENS, size=st.integers(1, 4))
def test_only_what_the_prompt_holds_is_let_through(
    prompt: list[int], made: list[int], size: int
) -> None:
    strict, banned = (set(repeating(given, made, size)) for given in ([], prompt))
    tail = made[len(made) - size + 1 :]
    asked = {tuple(prompt[at : at + size]) for at in range(len(prompt))}
    assert banned == {token for token in strict if (*tail, token) not in asked}
