"""A person's message becomes weighted terms and the types of question that its words sound like.

Knows nothing about documents: the words that are spelled right come from the index.
"""

import re
import tomllib
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import Stemmer
from rapidfuzz.distance import OSA
from rapidfuzz.process import extractOne

_FILE = Path(__file__).with_name("question_words.toml")
_SENTENCE_END = re.compile(r"(?<=[.?!])\s+|\n")
_EARLY_WORDS = 5
_SHORTEST_CORRECTED = 5  # characters
_LONG_WORD = 8  # characters from which two mistakes are forgiven


@dataclass(frozen=True, slots=True)
class Stress:
    """How much more some words of a message count than others, which count 1."""

    early: float = 0.5
    """Added for the words that it begins with: often its subject."""
    asking: float = 0.5
    """Added for the words of a sentence that asks."""
    corrected: float = 0.8
    """Times this for a word that was spelled wrong, and may have meant something else."""


@cache
def _words() -> tuple[frozenset[str], Mapping[str, re.Pattern[str]]]:
    read: dict[str, Any] = tomllib.loads(_FILE.read_text(encoding="utf-8"))
    types = {name: re.compile(pattern) for name, pattern in read["types"].items()}
    return frozenset(read["polite"].split()), types


def question_types(message: str) -> list[str]:
    """Return MedQuAD's types of questions that the message sounds like."""
    lower = message.lower()
    return [name for name, pattern in _words()[1].items() if pattern.search(lower)]


class Spelling:
    """Corrects words that are one or two letters away from a known one.

    Distances count insertions, deletions, substitutions and swaps of neighbours (optimal string
    alignment); the first letter must be right, and of equals the more frequent word wins.
    """

    def __init__(self, spelled: Sequence[str], known: Sequence[str]) -> None:
        self._known = frozenset(known)
        self._candidates: dict[tuple[str, int], list[str]] = defaultdict(list)
        for word in spelled:
            self._candidates[word[0], len(word)].append(word)

    def correct(self, word: str) -> str | None:
        """Return what a word was meant to be; None if it is known or like no other."""
        if len(word) < _SHORTEST_CORRECTED or word in self._known or not word.isalpha():
            return None
        for most in (1, 2) if len(word) >= _LONG_WORD else (1,):
            for length in sorted(
                range(len(word) - most, len(word) + most + 1), key=lambda n: abs(n - len(word))
            ):
                candidates = self._candidates.get((word[0], length), ())
                nearest = extractOne(word, candidates, scorer=OSA.distance, score_cutoff=most)
                if nearest:  # of equals the first
                    return nearest[0]
        return None


class Terms:
    """Texts become terms as the index says that its own did."""

    def __init__(self, splitter: str, stop_words: Sequence[str], stemmer: str) -> None:
        self._split: Callable[[str], list[str]] = re.compile(splitter).findall
        self._stop_words = frozenset(stop_words)
        self._stemmer = Stemmer.Stemmer(stemmer)

    def words(self, text: str) -> list[str]:
        """Return a text's words, lower-case, apostrophes dropped."""
        return self._split(text.lower().replace("'", "").replace("\u2019", ""))

    def stems(self, text: str) -> list[str]:
        """Return the stems of a text's words, stop words left out."""
        words = [word for word in self.words(text) if word not in self._stop_words]
        stems: list[str] = self._stemmer.stemWords(words)
        return stems

    def weighted(self, message: str, spelling: Spelling, stress: Stress) -> dict[str, float]:
        """Return the terms that a message is about, and how much it stresses each."""
        weights: dict[str, float] = {}
        place = 0
        for sentence in _SENTENCE_END.split(message):
            asking = stress.asking if "?" in sentence else 0.0
            for word in self.words(sentence):
                place += 1
                if word in self._stop_words or word in _words()[0] or word.isdigit():
                    continue
                corrected = spelling.correct(word)
                weight = 1.0 + asking + (stress.early if place <= _EARLY_WORDS else 0.0)
                weight *= stress.corrected if corrected else 1.0
                stem = self._stemmer.stemWord(corrected or word)
                weights[stem] = max(weights.get(stem, 0.0), weight)
        return weights
