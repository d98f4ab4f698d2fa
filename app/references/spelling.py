"""Corrects words that are one or two letters away from a known one, within bounds.

Distances count insertions, deletions, substitutions and swaps of neighbours (optimal string
alignment); the first letter must be right, and of equals the more frequent word wins.
"""

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rapidfuzz.distance import OSA
from rapidfuzz.process import extractOne

_SHORTEST_CORRECTED = 5  # characters
_LONG_WORD = 8  # characters from which two mistakes are forgiven
_REMEMBERED_WORDS = 4_096
_REMEMBERED_GROUPS = 64

Words = NDArray[np.bytes_]


class Spelling:
    """What a misspelled word was meant to be.

    Args:
        spelled: words to correct to, by first letter, then length, then the most frequent first.
        known: words that are no misspellings, sorted; both lower-case ASCII letters.
    """

    def __init__(self, spelled: Words, known: Words) -> None:
        self._spelled = spelled
        self._known = known
        heads = spelled.astype("S1").view(np.uint8).astype(np.int64) * 256
        self._groups = heads + np.char.str_len(spelled)
        self._group = lru_cache(_REMEMBERED_GROUPS)(self._read_group)
        self.correct = lru_cache(_REMEMBERED_WORDS)(self._correct)

    def is_known(self, word: str) -> bool:
        """Whether a word is one, rightly spelled."""
        sought = word.encode("ascii", "ignore")
        place = int(np.searchsorted(self._known, sought))
        return place < len(self._known) and self._known[place] == sought

    def needs(self, word: str) -> bool:
        """Whether a word may be misspelled: looking for what was meant costs something."""
        return len(word) >= _SHORTEST_CORRECTED and word.isalpha() and not self.is_known(word)

    def _correct(self, word: str) -> str | None:
        """Return what a word was meant to be; None if it is known or like no other."""
        if not self.needs(word):
            return None
        for most in (1, 2) if len(word) >= _LONG_WORD else (1,):
            lengths = range(len(word) - most, len(word) + most + 1)
            for length in sorted(lengths, key=lambda n: abs(n - len(word))):
                candidates = self._group(ord(word[0]), length)
                nearest = extractOne(word, candidates, scorer=OSA.distance, score_cutoff=most)
                if nearest:  # of equals the first
                    return nearest[0]
        return None

    def _read_group(self, letter: int, length: int) -> list[str]:
        start, end = np.searchsorted(
            self._groups, [letter * 256 + length, letter * 256 + length + 1]
        )
        words: list[Any] = self._spelled[start:end].tolist()
        return [word.decode("ascii") for word in words]
