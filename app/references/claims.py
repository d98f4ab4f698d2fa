"""What a sentence says that can be held against another one: its words, and facts that stand out.

The facts are genes that it names as such, patterns of inheritance, rates (`1 in 40,000`) and
numbers. Knows nothing about answers, nor which of two sentences is right.
"""

import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Literal

import Stemmer

from app.references.terms import plain

Why = Literal["inheritance", "gene", "number", "negation"]
"""In what two sentences may contradict each other."""

_REMEMBERED = 4_096

_END = r"[.!?][\"')\]]*(?=\s+[^\sa-z])"
_SENTENCE = re.compile(rf"\S.*?(?:{_END}|[.!?\"')\]]*\s*(?:\n|$))", re.DOTALL)
_WORD = re.compile(r"\d+(?:[.,]\d+)*(?![^\W_])|[^\W_]+")
_NUMBER = re.compile(r"\d+(?:[.,]\d+)*")
_LISTS = {
    name: frozenset(listed.split())
    for name, listed in tomllib.loads(
        Path(__file__).with_name("claim_words.toml").read_text(encoding="utf-8")
    ).items()
}

_SYMBOL = r"\b(?!(?:DNA|RNA|X|Y|A|I|II|III|IV|V|VI)\b)[A-Z][A-Z0-9]{1,8}(?:orf\d+)?\b"
_SYMBOLS = rf"{_SYMBOL}(?:(?:, (?:and |or )?| and | or ){_SYMBOL})*"
_GENES = re.compile(rf"{_SYMBOLS} genes?\b|\bgenes?,? (?:called )?{_SYMBOL}")
_EACH = re.compile(_SYMBOL)
_PATTERN = re.compile(
    r"(autosomal)[- ](recessive|dominant)|\b(X|Y)[- ]linked(?:[- ](recessive|dominant))?"
    r"|(mitochondrial|maternal) (?:pattern|inheritance)|(not inherited|sporadic)",
    re.IGNORECASE,
)
_SAME = {"maternal": "mitochondrial", "sporadic": "not inherited"}
_RATE = re.compile(
    r"\b(?:1|one) (?:in|of|out of|per)(?: every)? (\d[\d,.]*\d(?: (?:m|b)illion)?)", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class Claim:
    """A sentence by what it says."""

    text: str
    words: tuple[str, ...]
    """Stems of what tells something, in order; numbers and turning words are among them."""
    genes: frozenset[str]
    """Named as such."""
    symbols: frozenset[str]
    """Whatever may be a gene's."""
    patterns: frozenset[str]
    rates: frozenset[str]

    @property
    def telling(self) -> tuple[str, ...]:
        """Its words without numbers and turning words: what it is about."""
        return tuple(word for word in self.words if not (is_number(word) or turns(word)))

    @property
    def numbers(self) -> frozenset[str]:
        """Its numbers, written in digits or in letters."""
        return frozenset(filter(is_number, self.words))

    @property
    def hedges(self) -> frozenset[str]:
        """Its words that doubt, or say how often."""
        return frozenset(self.words) & _DOUBTING

    @property
    def negations(self) -> frozenset[str]:
        """Its words that deny."""
        return frozenset(self.words) & _DENYING


def sentences(text: str) -> Iterator[tuple[int, int]]:
    """Yield where the sentences of a text begin and end, in code points, those with words alone."""
    for match in _SENTENCE.finditer(text):
        end = match.start() + len(match[0].rstrip())
        if _WORD.search(text, match.start(), end):
            yield match.start(), end


def is_number(word: str) -> bool:
    """Whether a stem is a number."""
    return word[0].isdigit() or word in _COUNTING


def turns(word: str) -> bool:
    """Whether a stem denies, or doubts, what follows it."""
    return word in _DENYING or word in _DOUBTING


@lru_cache(_REMEMBERED)
def claim(sentence: str) -> Claim:
    """Return what a sentence says."""
    return Claim(
        sentence,
        tuple(_words(sentence)),
        frozenset(symbol for each in _GENES.findall(sentence) for symbol in _EACH.findall(each)),
        frozenset(_EACH.findall(sentence)),
        frozenset(map(_pattern, _PATTERN.findall(sentence))),
        frozenset(_number(found) for found in _RATE.findall(sentence)),
    )


def _words(sentence: str) -> list[str]:
    found = (_number(word) for word in _WORD.findall(plain(sentence.replace("n't", " not"))))
    # PyStemmer's stemmers are not for two threads at once, and cost nothing.
    stems: list[str] = Stemmer.Stemmer("english", 0).stemWords(
        [word for word in found if word not in _LISTS["empty"]]
    )
    return stems


def _number(word: str) -> str:
    """Return a number as all write it: without the commas of thousands."""
    return word.replace(",", "").rstrip(".") if _NUMBER.match(word) else word


def _pattern(groups: tuple[str, ...]) -> str:
    name = " ".join(filter(None, groups)).lower()
    return _SAME.get(name, name)


def _stems(words: frozenset[str]) -> frozenset[str]:
    return frozenset(Stemmer.Stemmer("english").stemWords(sorted(words)))


_COUNTING = _stems(_LISTS["numbers"])
_DENYING = _stems(_LISTS["negations"])
_DOUBTING = _stems(_LISTS["hedges"])
