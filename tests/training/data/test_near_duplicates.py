"""Near-identical texts are those that comparing everything with everything finds."""

import random
import re
from collections.abc import Iterable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from training.data.near_duplicates import near_identical_pairs

WORDS = ["the", "lungs", "heart", "of", "a", "patient", "may", "be", "treated", "with", "rest"]


def brute_force(texts: list[str]) -> set[tuple[int, int]]:
    """Every pair whose word 4-grams have a Jaccard index of at least 4/5, in whole numbers."""

    def grams(text: str) -> set[tuple[str, ...]]:
        words = re.sub(r"[^\w]+", " ", text.casefold()).split()
        return {tuple(words[i : i + 4]) for i in range(max(1, len(words) - 3))} if words else set()

    sets = [grams(text) for text in texts]
    return {
        (i, j)
        for j in range(len(sets))
        for i in range(j)
        if 5 * len(sets[i] & sets[j]) >= 4 * len(sets[i] | sets[j])
    }


def connected(pairs: Iterable[tuple[int, int]], count: int) -> list[int]:
    """Each item's smallest relative, by spreading until nothing changes."""
    pairs = list(pairs)
    label = list(range(count))
    while True:
        before = label.copy()
        for i, j in pairs:
            label[i] = label[j] = min(label[i], label[j])
        if label == before:
            return label


@st.composite
def related_texts(draw: st.DrawFn) -> list[str]:
    """Copies of a few texts, each with a few words changed, left out or added."""
    randomness = draw(st.randoms(use_true_random=False))
    originals = [
        randomness.choices(WORDS, k=draw(st.integers(0, 40)))
        for _ in range(draw(st.integers(1, 3)))
    ]
    return [
        _edited(randomness, randomness.choice(originals), draw(st.integers(0, 3)))
        for _ in range(draw(st.integers(2, 10)))
    ]


def _edited(randomness: random.Random, words: list[str], edits: int) -> str:
    words = words.copy()
    for _ in range(edits):
        place = randomness.randint(0, len(words))
        words[place : place + randomness.randint(0, 2)] = randomness.choices(
            WORDS, k=randomness.randint(0, 2)
        )
    return randomness.choice([" ", ", ", "  "]).join(words)


@settings(deadline=None, max_examples=100)
@given(related_texts())
def test_it_connects_exactly_what_comparing_all_pairs_connects(texts: list[str]) -> None:
    every = brute_force(texts)
    found = set(near_identical_pairs(texts))
    assert found <= every
    assert connected(found, len(texts)) == connected(every, len(texts))


TWELVE = [f"w{number}" for number in range(12)]  # nine 4-grams


@pytest.mark.parametrize(
    ("one", "other", "similar"),
    [
        (TWELVE, [*TWELVE[:11], "x"], True),  # 8 of 10 shared: just enough
        (TWELVE[:11], [*TWELVE[:10], "x"], False),  # 7 of 9: just not
        (TWELVE, TWELVE[1:], True),
        (["Rest", "well."], ["rest", "WELL"], True),
        (["rest", "well"], ["well", "rest"], False),
        (["rest"], ["rest", "well", "and", "drink"], False),
    ],
)
def test_the_threshold(one: list[str], other: list[str], similar: bool) -> None:
    texts = [" ".join(one), " ".join(other)]
    assert list(near_identical_pairs(texts)) == ([(0, 1)] if similar else [])


def test_a_text_that_stands_often_gives_few_pairs() -> None:
    pairs = list(near_identical_pairs(["These resources may help you."] * 600))
    assert sorted(pairs) == [(0, copy) for copy in range(1, 600)]
