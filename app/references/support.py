"""How much of an answer stands in published texts, sentence by sentence.

A sentence's support is the share of its words and of its pairs of neighbouring words, weighted by
how much each tells, that the texts have too: recall-oriented as ROUGE-1 and ROUGE-2 (Lin 2004).
It says that the words agree, not that the sentence is true.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Protocol

SUPPORTED = 0.25
"""Support from which a sentence counts as supported: on `test_seen`, with its own rows left out of
the index, not one answer to another question reaches it, and two in five of the true ones do."""

_SENTENCE = re.compile(r"\S.*?(?:[.!?](?=\s)|\n|$)", re.DOTALL)


class Words(Protocol):
    """How texts become stems, and how much each stem tells."""

    def stems(self, text: str) -> list[str]:
        """Return the stems of a text's words."""
        ...

    def weight(self, stem: str) -> float:
        """Return how much a stem tells."""
        ...


@dataclass(frozen=True, slots=True)
class Support:
    """How much of an answer is supported, 0-1, and the sentences that are not.

    Spans are (start, end) in the answer, in Unicode code points, the end excluded.
    """

    value: float
    unsupported: list[tuple[int, int]]


def support(answer: str, texts: Sequence[str], words: Words) -> Support:
    """Return how much of an answer stands in the texts; a sentence counts by what it tells."""
    singles: set[str] = set()
    pairs: set[tuple[str, str]] = set()
    for text in texts:
        stems = words.stems(text)
        singles.update(stems)
        pairs.update(pairwise(stems))
    told = supported = 0.0
    unsupported = []
    for start, end in _sentences(answer):
        stems = words.stems(answer[start:end])
        if not stems:
            continue
        weight, value = _support(stems, singles, pairs, words)
        told += weight
        supported += weight * value
        if value < SUPPORTED:
            unsupported.append((start, end))
    return Support(supported / told if told else 0.0, unsupported)


def _support(
    stems: list[str], singles: set[str], pairs: set[tuple[str, str]], words: Words
) -> tuple[float, float]:
    """Return what a sentence tells, and the share of it that is supported."""
    weights = [words.weight(stem) for stem in stems]
    told = sum(weights)
    alone = sum(weight for stem, weight in zip(stems, weights, strict=True) if stem in singles)
    joint = [sum(both) for both in pairwise(weights)]
    together = sum(
        weight for pair, weight in zip(pairwise(stems), joint, strict=True) if pair in pairs
    )
    return told, (alone + together) / (told + sum(joint))


def _sentences(answer: str) -> Iterator[tuple[int, int]]:
    for match in _SENTENCE.finditer(answer):
        yield match.start(), match.start() + len(match[0].rstrip())
