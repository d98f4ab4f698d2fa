"""Words that people use every day: they are no misspellings, and no acronyms unless in capitals.

From the frequency dictionary that symspellpy (MIT) ships: SCOWL's words with counts of Google Books
Ngram. Only which words are ordinary enters the index, never a count.
"""

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from importlib.resources import files

import numpy as np
import Stemmer
import symspellpy
from numpy.typing import NDArray

_FILE = "frequency_dictionary_en_82_765.txt"
_KNOWN_COUNT = 200_000  # the 40,000 most frequent or so
_EVERYDAY_COUNT = 1_200_000  # the 20,000 most frequent or so
_SHORTEST_STEM = 2  # letters: AD and ED are asked for in small letters too
_EQUAL = 0.6  # specificity of a word that is as frequent here as in books
_LEAST = 0.2
_VOWEL = re.compile("[aeiouy]")


@cache
def _counts() -> dict[str, int]:
    text = (files(symspellpy) / _FILE).read_text(encoding="utf-8-sig")
    pairs = (line.split() for line in text.splitlines())
    return {word: int(count) for word, count in pairs}


def known_words() -> list[str]:
    """Return the words that are spelled right, the most frequent first."""
    return [word for word, count in _counts().items() if count >= _KNOWN_COUNT]


@cache
def _stems() -> frozenset[str]:
    return frozenset(Stemmer.Stemmer("english").stemWords(known_words())) - _counts().keys()


def is_everyday(word: str) -> bool:
    """Whether a word in small letters is heard every day (`kid`, `hit`, `go`), so no acronym.

    Nor is what others become as terms: `ach`, of aches.
    """
    if len(word) > _SHORTEST_STEM and word in _stems():
        return True
    return _counts().get(word, 0) >= _EVERYDAY_COUNT and bool(_VOWEL.search(word))


def specificity(
    vocabulary: Sequence[str], medical: Mapping[str, int], stem: Callable[[list[str]], list[str]]
) -> NDArray[np.uint8]:
    """Return how much more each term is said here than elsewhere, uint8 (terms,): 255 is wholly.

    The logarithm of the ratio of its shares: what is said ten times as often here as in books is
    wholly of this field (`hydrocephalus`), what is said ten times less hardly (`book`, `car`). A
    word that an `a` follows tells what it does alone: `need a` little, `hepatitis a` much.

    Args:
        vocabulary: stems, and terms that no dictionary has, which are wholly of the field.
        medical: how often the field's texts have each stem.
        stem: what makes stems of words.
    """
    words = list(_counts())
    everyday: Counter[str] = Counter()
    for word, stemmed in zip(words, stem(words), strict=True):
        everyday[stemmed] += _counts()[word]
    here, there = sum(medical.values()), sum(everyday.values())
    ratios = np.array(
        [
            (medical[term] + 1) / here * there / everyday[term] if term in everyday else 10.0
            for term in (bound.removesuffix("#a") for bound in vocabulary)
        ]
    )
    shares = np.clip(_EQUAL + (1 - _EQUAL) * np.log10(ratios), _LEAST, 1)
    rounded: NDArray[np.uint8] = np.round(255 * shares).astype(np.uint8)
    return rounded
