"""Which answers are nearly the same text: word 4-grams with a Jaccard index of at least 0.8.

Exact, not sketched: prefix filtering (Chaudhuri, Ganti & Kaushik, ICDE 2006) leaves few pairs to
compare. Knows nothing about topics or splits.
"""

import math
import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence

SHINGLE_WORDS = 4
NEAR_IDENTICAL = 0.8


def near_identical_pairs(texts: Sequence[str]) -> Iterator[tuple[int, int]]:
    """Yield pairs (i, j), i < j, that connect every set of near-identical texts.

    Texts with equal shingles are paired with the first of them only, so that a text that stands
    six hundred times gives six hundred pairs, not their square.
    """
    first: dict[frozenset[str], int] = {}
    for index, text in enumerate(texts):
        original = first.setdefault(shingles(text), index)
        if original != index:
            yield original, index
    yield from _similar({index: grams for grams, index in first.items() if grams})


def shingles(text: str) -> frozenset[str]:
    """Return a text's word 4-grams, lower-case; a shorter text is one shingle."""
    words = re.findall(r"\w+", text.lower())
    if len(words) < SHINGLE_WORDS:
        return frozenset([" ".join(words)] if words else [])
    return frozenset(
        " ".join(words[start : start + SHINGLE_WORDS])
        for start in range(len(words) - SHINGLE_WORDS + 1)
    )


def _similar(sets: dict[int, frozenset[str]]) -> Iterator[tuple[int, int]]:
    """Yield every pair of different sets whose Jaccard index reaches the threshold.

    With its shingles sorted rarest first, a set shares one of its first n - ⌈0.8 n⌉ + 1 with
    every set as similar as that.
    """
    frequency = Counter(gram for grams in sets.values() for gram in grams)
    postings: dict[str, list[int]] = defaultdict(list)
    for index, grams in sorted(sets.items(), key=lambda item: (len(item[1]), item[0])):
        rarest_first = sorted(grams, key=lambda gram: (frequency[gram], gram))
        prefix = rarest_first[: len(grams) - math.ceil(NEAR_IDENTICAL * len(grams)) + 1]
        for other in {found for gram in prefix for found in postings[gram]}:
            if len(sets[other]) < NEAR_IDENTICAL * len(grams):
                continue
            shared = len(grams & sets[other])
            if shared >= NEAR_IDENTICAL * (len(grams) + len(sets[other]) - shared):
                yield min(index, other), max(index, other)
        for gram in prefix:
            postings[gram].append(index)
