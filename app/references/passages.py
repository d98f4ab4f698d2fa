"""The part of a published answer that a question asks for: whole sentences, one after the other.

A sentence is worth the words of the question that it has, each by how much it tells; of windows of
neighbouring sentences that fit, the one that is worth most is taken, of equals the earliest. Knows
nothing about ranking.
"""

import re
from collections.abc import Callable, Mapping
from typing import NamedTuple

_SENTENCE = re.compile(r"\S.*?(?:[.!?](?=\s+(?:[A-Z0-9\"(-]|$))|$)", re.DOTALL)
_LONGEST_READ = 20_000  # characters of an answer
_LATER = 0.9  # times this for each sentence before it: answers say first what matters


class Passage(NamedTuple):
    """What a reader is given of a published answer."""

    id: str
    """Of the question in MedQuAD."""
    title: str
    """The topic."""
    question: str
    text: str
    source: str
    url: str
    licence: str
    probability: float
    """That it is good for what was asked, 0-1."""


def window(
    answer: str,
    weights: Mapping[str, float],
    stems: Callable[[str], list[str]],
    characters: int,
) -> str:
    """Return the best run of an answer's sentences.

    Args:
        answer: the whole text.
        weights: the question's terms, and how much each tells.
        stems: what makes terms of a text.
        characters: the most to return; one sentence that is longer is cut between words.
    """
    if len(answer) <= characters:
        return answer
    spans = [match.span() for match in _SENTENCE.finditer(answer[:_LONGEST_READ])]
    found = [weights.keys() & set(stems(answer[start:end])) for start, end in spans]
    best, best_worth = (0, 0), -1.0
    last = 0
    for first, (start, _) in enumerate(spans):
        last = max(last, first)
        while last + 1 < len(spans) and spans[last + 1][1] - start <= characters:
            last += 1
        worth = _worth(found[first : last + 1], weights) * _LATER**first
        if worth > best_worth:
            best, best_worth = (first, last), worth
    text = answer[spans[best[0]][0] : spans[best[1]][1]]
    return text if len(text) <= characters else text[:characters].rsplit(" ", 1)[0]


def _worth(found: list[set[str]], weights: Mapping[str, float]) -> float:
    """Return what a window tells: each word in full once, and a little for each time more."""
    once = set[str]().union(*found)
    again = sum(weights[term] for each in found for term in each)
    return sum(weights[term] for term in once) + 0.1 * again
