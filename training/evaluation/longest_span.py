"""How much of an answer stands word for word in a training answer: its longest span in common.

Words are compared as `splits.normalise` leaves them, lower-case and without punctuation. Knows
nothing about models or splits.
"""

from bisect import bisect_left
from collections.abc import Sequence
from itertools import takewhile

import pydivsufsort

from training.data.topics import normalise

_LONGEST_BYTES = 16_384  # of a span, longer than nearly every answer; bounds one comparison


class TrainingText:
    """Every training answer in a suffix array (Manber & Myers 1993), to look spans up in."""

    def __init__(self, answers: Sequence[str]) -> None:
        # A span cannot cross a line, since no word holds one: nor can it cross two answers.
        lines = sorted({normalise(answer) for answer in answers})
        self._text = "".join(f"\n {line} " for line in lines).encode()
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
