"""The guard against repetition: what it bans, by hand and beside upstream's."""

from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from transformers import NoRepeatNGramLogitsProcessor

from app.engine.guard import RepetitionGuard, inside_words
from app.engine.tokenizer_files import read_tokenizer

NONE: frozenset[int] = frozenset()
TOKENS = st.lists(st.integers(0, 3), max_size=30)


def _banned(
    prompt: list[int], made: list[int], size: int, inside: frozenset[int] = NONE
) -> set[int]:
    guard = RepetitionGuard(prompt, size, inside)
    for token in made:
        guard.push(token)
    return set(guard.banned())


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
    assert _banned(prompt, made, size) == banned


def test_a_long_sequence_comes_as_often_as_in_the_prompt() -> None:
    sentence = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]
    prompt = [*sentence, 11, *sentence, 12]
    once, twice = [*sentence, 13], [*sentence, 13, *sentence, 14]
    assert _banned(prompt, [*once, *sentence[:-1]], 2) == set(), "it stands there twice"
    assert _banned(prompt, [*twice, *sentence[:-1]], 2) == {10}
    assert _banned(prompt, [*twice, 1], 2) == set(), "a short one may come as often as it likes"
    assert _banned(sentence, [*once, *sentence[:-1]], 2) == {10}


@given(made=TOKENS, size=st.integers(1, 4))
def test_without_a_prompt_it_bans_what_upstreams_bans(made: list[int], size: int) -> None:
    history: Any = torch.tensor([made], dtype=torch.long)
    scores: Any = torch.zeros(1, 4)
    expected = NoRepeatNGramLogitsProcessor(size)(history, scores).isinf()[0]
    assert _banned([], made, size) == set(expected.nonzero().flatten().tolist())


@given(prompt=TOKENS, made=TOKENS, size=st.integers(1, 4))
def test_only_what_the_prompt_holds_is_let_through(
    prompt: list[int], made: list[int], size: int
) -> None:
    strict, banned = (_banned(given, made, size) for given in ([], prompt))
    tail = made[len(made) - size + 1 :]
    asked = {tuple(prompt[at : at + size]) for at in range(len(prompt))}
    short = {token for token in strict if (*tail, token) not in asked}
    assert short <= banned <= strict
    if len(made) < 5 * size:
        assert banned == short


@given(prompt=TOKENS, made=TOKENS, guesses=TOKENS, size=st.integers(1, 4))
def test_guesses_that_are_taken_back_leave_nothing_behind(
    prompt: list[int], made: list[int], guesses: list[int], size: int
) -> None:
    guard = RepetitionGuard(prompt, size, frozenset({2}))
    for token in made:
        guard.push(token)
    for guess, token in enumerate(guesses):
        guard.push(token)
        ahead = _banned(prompt, made + guesses[: guess + 1], size, frozenset({2}))
        assert set(guard.banned()) == ahead
    for _ in guesses:
        guard.pop()
    assert set(guard.banned()) == _banned(prompt, made, size, frozenset({2}))


def test_inside_a_word_only_longer_sequences_count() -> None:
    again = [1, 2, 3] * 3
    assert _banned([], again[:5], 2, frozenset({3})) == set()
    assert _banned([], again[:5], 2) == {3}
    assert _banned([], again[:8], 2, frozenset({3})) == {3}


def test_which_tokens_go_on_with_a_word(pair: Path) -> None:
    tokenizer = read_tokenizer(pair / "fine-tuned")
    inside = inside_words(tokenizer)
    begin = {token for token, text in enumerate(tokenizer.token_texts()) if text.startswith(" ")}
    assert begin
    assert not begin & inside
    assert tokenizer.encode("a")[0] in inside
    assert not inside & {*tokenizer.encode(".,\n")}
    assert not inside & tokenizer.special_ids
