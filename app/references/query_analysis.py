"""A person's message becomes weighted terms and the types of question that its words sound like.

Knows nothing about documents: the words that are spelled right come from the index.
"""

import re
import tomllib
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

from app.references.spelling import Spelling
from app.references.storage import Vocabulary
from app.references.terms import Terms

_FILE = Path(__file__).with_name("question_words.toml")
_SENTENCE_END = re.compile(r"(?<=[.?!])\s+|\n")
_CAPITALS = re.compile(r"\b[A-Z]{2,7}\b")
_NUMBER = re.compile(r"\d{1,3}[a-z]{0,2}|[b-hj-z]")  # `a` and `i` are words, as a rule
_EARLY_WORDS = 5
_MOST_WORDS = 800  # 4,000 characters of ordinary English
_MOST_CORRECTIONS = 24  # of one message: a third of a millisecond each
_SHORTEST_READ = 4  # characters of a word that says which language a message is in
_FEW = 3  # strange words may be names, or slips
_LONGEST_PHRASE = 8  # words


@dataclass(frozen=True, slots=True)
class Stress:
    """How much more some words of a message count than others, which count 1."""

    early: float = 0.5
    """Added for the words that it begins with: often its subject."""
    asking: float = 0.5
    """Added for the words of a sentence that asks."""
    corrected: float = 0.8
    """Times this for a word that was spelled wrong, and may have meant something else."""
    called: float = 0.8
    """Times this for what texts call a word of the message."""


@dataclass(frozen=True, slots=True)
class Query:
    """What is sought."""

    weights: Mapping[str, float]
    """The terms of the message, and how much it stresses each."""
    phrases: Mapping[int, int]
    """CRC-32 of each run of words, as stems, and how many words it has."""
    asking: frozenset[str]
    """Those of the terms that ask something of a topic, and seldom name one."""
    numbered: Mapping[str, frozenset[str]]
    """By stem, the terms that bind a number or letter to it: which of several is meant."""
    types: list[str]
    """MedQuAD's types of questions that the message sounds like."""
    readable: bool
    """Whether most of its words are English or in the texts: `mi hijo` is no MI."""


class _Words(NamedTuple):
    polite: frozenset[str]
    asking: frozenset[str]
    units: frozenset[str]
    called: Mapping[str, str]
    """What texts call what people say: a word, or a stem bound to a stop word (`throw#up`)."""
    illness_beside: Mapping[str, str]
    """Words that name an illness only beside one of these."""
    types: Mapping[str, re.Pattern[str]]


@cache
def _words() -> _Words:
    read: dict[str, Any] = tomllib.loads(_FILE.read_text(encoding="utf-8"))
    types = {name: re.compile(pattern) for name, pattern in read["types"].items()}
    polite, asking, units = (frozenset(read[name].split()) for name in _Words._fields[:3])
    return _Words(polite, asking, units, read["called"], read["illness_beside"], types)


def question_types(message: str) -> list[str]:
    """Return MedQuAD's types of questions that the message sounds like."""
    lower = message.lower()
    return [name for name, pattern in _words().types.items() if pattern.search(lower)]


def analyse(
    message: str, terms: Terms, spelling: Spelling, vocabulary: Vocabulary, stress: Stress
) -> Query:
    """Return what a message seeks; its first 800 words tell."""
    weights: dict[str, float] = {}
    phrases: dict[int, int] = {}
    asks: set[str] = set()
    numbered: dict[str, set[str]] = {}
    strange: list[bool] = []
    read, corrections = 0, _MOST_CORRECTIONS
    for sentence in _SENTENCE_END.split(message):
        words = terms.words(sentence)[: _MOST_WORDS - read]
        asking = stress.asking if "?" in sentence else 0.0
        meant, corrections = _corrected(words, corrections, terms, spelling, vocabulary)
        stems = terms.stem(meant)
        strange += (
            not spelling.is_known(word) and vocabulary.number(stem) is None
            for word, stem in zip(meant, stems, strict=True)
            if len(word) >= _SHORTEST_READ and word not in terms.stop_words
        )
        placed = list(terms.placed(meant, stems, particles=True))
        for stem, term in _numbered(meant, placed):
            numbered.setdefault(stem, set()).add(term)
        for place, term in placed:
            if meant[place] in _words().polite or _names_nothing(meant, place, terms):
                continue
            if meant[place] in _words().asking and "#" not in term:
                asks.add(term)
            weight = 1.0 + asking + (stress.early if read + place < _EARLY_WORDS else 0.0)
            weight *= stress.corrected if meant[place] != words[place] else 1.0
            weights[term] = max(weights.get(term, 0.0), weight)
        for term in terms.stems(" ".join(_called(meant, placed, terms, vocabulary))):
            weights[term] = max(weights.get(term, 0.0), stress.called * (1.0 + asking))
        for acronym in _acronyms(sentence):
            weights[acronym] = max(weights.get(acronym, 0.0), 1.0 + asking)
        phrases.update(_phrases(stems))
        read += len(words)
    which = {head: frozenset(each) for head, each in numbered.items()}
    readable = strange.count(True) < max(_FEW, strange.count(False))
    return Query(weights, phrases, frozenset(asks), which, question_types(message), readable)


def _corrected(
    words: list[str], most: int, terms: Terms, spelling: Spelling, vocabulary: Vocabulary
) -> tuple[list[str], int]:
    """Return what words were meant to be, and how many more may be corrected."""
    meant = list(words)
    for place, (word, stem) in enumerate(zip(words, terms.stem(words), strict=True)):
        if most and spelling.needs(word) and vocabulary.number(stem) is None:
            most -= 1
            meant[place] = spelling.correct(word) or word
    return meant, most


def _names_nothing(words: list[str], place: int, terms: Terms) -> bool:
    """Whether a word is a unit, a number alone (`at 47`, `in 3 days`), or only a feeling.

    `10 mg` is no MG. `A cold` is an illness, `in the cold` and `cold hands` are not.
    """
    word, before = words[place], words[place - 1] if place else ""
    after = words[place + 1] if place + 1 < len(words) else ""
    if word.isdigit() and (not before or before in terms.stop_words):
        return not after or after in terms.stop_words or after in _words().units
    if before.isdigit() and word in _words().units:
        return True
    follows, _, precedes = _words().illness_beside.get(word, "").partition("|")
    return bool(follows and before) and not (before in follows.split() or after in precedes.split())


def _numbered(words: list[str], placed: Sequence[tuple[int, str]]) -> Iterator[tuple[str, str]]:
    """Yield terms that say which of several is meant, and their stem; `10 years` says nothing."""
    for place, term in placed:
        stem, bound, number = term.partition("#")
        after = words[place + 1] if place + 1 < len(words) else ""
        if bound and _NUMBER.fullmatch(number) and after not in _words().units:
            yield stem, term


def _called(
    words: list[str], placed: Sequence[tuple[int, str]], terms: Terms, vocabulary: Vocabulary
) -> Iterator[str]:
    """Yield what texts may call some of the words.

    Neighbours may be one word: `nose bleed` is a nosebleed.
    """
    said = [*words, *(term for _, term in placed if "#" in term)]
    yield from filter(None, map(_words().called.get, said))
    for pair in pairwise(words):
        joined = "".join(pair)
        if not joined.isalpha() or terms.stop_words.intersection(pair):
            continue
        if vocabulary.number(terms.stem([joined])[0]) is not None:
            yield joined


def _acronyms(sentence: str) -> Iterator[str]:
    """Yield the terms of words in capitals, unless everything is."""
    small = sum(map(str.islower, sentence))
    for word in _CAPITALS.findall(sentence) if small or len(sentence.split()) < 3 else ():
        yield f"={word.lower()}"


def _phrases(stems: list[str]) -> Iterator[tuple[int, int]]:
    encoded = [stem.encode() for stem in stems]
    for start in range(len(encoded)):
        key = 0
        for length, stem in enumerate(encoded[start : start + _LONGEST_PHRASE], 1):
            key = zlib.crc32(b" " + stem if length > 1 else stem, key)
            yield key, length
