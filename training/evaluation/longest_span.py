"""How much of an answer stands word for word in a training answer: its longest span in common.

Words are compared as `splits.normalise` leaves them, lower-case and without punctuation. Knows
nothing about models or splits.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from itertools import takewhile

import numpy as np
import pydivsufsort

from training.data.topics import normalise

STOCK_WORDS = 8
"""A run of fewer words stands somewhere by chance."""
COMMON_TOPICS = 13
_LONGEST_BYTES = 16_384  # of a span, longer than nearly every answer; bounds one comparison


class TrainingText:
    """Every training answer in a suffix array (Manber & Myers 1993), to look spans up in."""

    def __init__(self, answers: Sequence[str], topics: Sequence[str] | None = None) -> None:
        # A span cannot cross a line, since no word holds one: nor can it cross two answers.
        named = zip(map(normalise, answers), topics or map(str, range(len(answers))), strict=True)
        lines = sorted(set(named))
        parts = [f"\n {line} ".encode() for line, _ in lines]
        self._text = b"".join(parts)
        ends = np.cumsum([len(part) for part in parts], dtype=np.int64)
        self._starts = ends - [len(part) for part in parts]
        self._topics = np.unique([topic for _, topic in lines], return_inverse=True)[1]
        self._suffixes = pydivsufsort.divsufsort(self._text)

    def longest_span(self, answer: str) -> tuple[int, int]:
        """Return how many words the longest span in common has, and how many the answer has."""
        words = normalise(answer).split()
        best = 0
        for start in range(len(words)):
            if len(words) - start <= best:
                break
            best = max(best, self._words_found(f" {' '.join(words[start:])} ".encode()))
        return best, len(words)

    def stock_words(self, answer: str) -> tuple[int, int]:
        """Return how many words of an answer are in stock phrases, and in common ones.

        Those are runs of `STOCK_WORDS` words that stand in an answer, or in answers on
        `COMMON_TOPICS` topics.
        """
        words = normalise(answer).split()
        stock, common = set[int](), set[int]()
        for start in range(len(words) - STOCK_WORDS + 1):
            run = range(start, start + STOCK_WORDS)
            topics = self._topics_having(f" {' '.join(words[start : run.stop])} ".encode())
            stock.update(run if topics else ())
            common.update(run if topics >= COMMON_TOPICS else ())
        return len(stock), len(common)

    def _topics_having(self, wanted: bytes) -> int:
        """Return on how many topics there are answers in which this stands."""

        def key(at: int) -> bytes:
            return self._suffix(at, len(wanted))

        low = bisect_left(self._suffixes, wanted, key=key)
        high = bisect_right(self._suffixes, wanted, low, key=key)
        lines = np.searchsorted(self._starts, self._suffixes[low:high], side="right") - 1
        return len(np.unique(self._topics[lines]))

    def _words_found(self, wanted: bytes) -> int:
        """Return how many whole words from the beginning of `wanted` stand together in the text."""
        wanted = wanted[:_LONGEST_BYTES]
        place = bisect_left(self._suffixes, wanted, key=lambda at: self._suffix(at, len(wanted)))
        near = self._suffixes[max(place - 1, 0) : place + 1]
        return max((_shared(wanted, self._suffix(at, len(wanted))) for at in near), default=0)

    def _suffix(self, start: int, length: int) -> bytes:
        return self._text[start : start + length]


def _shared(left: bytes, right: bytes) -> int:
    """Return how many words two texts, each between spaces, begin with in common."""
    pairs = zip(left.split(), right.split(b" ")[1:], strict=False)
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))
