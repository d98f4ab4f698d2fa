"""Which kinds of need a text speaks of, by the rules in rules.toml.

Knows nothing about notices or classifiers. Time is linear in the text: phrases have bounded gaps, a
rule looks at no more than two sentences at once, and a group of phrases is looked for only where
the words of one of them could stand.
"""

import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

from app.red_flags.normalising import words_of
from app.red_flags.triggers import Triggers

FILE = Path(__file__).with_name("rules.toml")
_ENOUGH_POINTS = 4
_SENTENCE_END = re.compile(r"[.!?;]+(?=\s|$)|[\r\n]+")
_SHORTEST = 6  # words
_LONGEST = 60  # words: a longer sentence is read in pieces
_OVERLAP = 15  # words: what a phrase with its gaps may have
_GROUP = re.compile(r"\{([a-z_]+)\}")


@dataclass(frozen=True, slots=True)
class _Rule:
    """What rules.toml says of a rule; its first lines explain the fields."""

    kind: str
    all: tuple[str, ...] = ()
    points: Mapping[str, int] = field(default_factory=dict)
    unless: tuple[str, ...] = ()
    person: bool = True
    ever: bool = False
    general: bool = False


@dataclass(frozen=True, slots=True)
class _Rules:
    """The file, compiled."""

    phrases: Sequence[tuple[str, re.Pattern[str]]]
    """Each phrase with its group."""
    triggers: Triggers
    rules: Sequence[_Rule]
    spellings: Mapping[str, str]


@cache
def _rules() -> _Rules:
    read: dict[str, Any] = tomllib.loads(FILE.read_text(encoding="utf-8"))
    words = read["words"]
    phrases = [(name, _expanded(words, phrase)) for name in words for phrase in words[name]]
    return _Rules(
        phrases=[(name, _compile(phrase)) for name, phrase in phrases],
        triggers=Triggers(phrase for _, phrase in phrases),
        rules=[
            _Rule(**rule | {key: tuple(rule.get(key, ())) for key in ("all", "unless")})
            for rule in read["rules"]
        ],
        spellings=read["spellings"],
    )


def _expanded(words: Mapping[str, Sequence[str]], phrase: str) -> str:
    def group(name: str) -> str:
        return "|".join(_expanded(words, each) for each in words[name])

    return _GROUP.sub(lambda match: f"(?:{group(match[1])})", phrase)


def _compile(phrase: str) -> re.Pattern[str]:
    pattern = rf"\b(?:{phrase})\b"
    return re.compile(pattern.replace("~ ", r"(?:\w+ ){0,6}").replace(" ~", r"(?: \w+){0,6}"))


def kinds_by_rules(plain: str) -> set[str]:
    """Return the kinds of need that a plain text speaks of."""
    sentences = [_Sentence(words) for words in _sentences(plain)]
    windows = [[sentence] for sentence in sentences] + [list(pair) for pair in pairwise(sentences)]
    possible = {group for sentence in sentences for group in sentence.possible}
    person = any(_place(group, sentences) for group in ("person", "urgent"))
    found: set[str] = set()
    for rule in _rules().rules:
        if (
            rule.kind not in found
            and possible.issuperset(rule.all)
            and (person or not rule.person)
            and _evidence(rule, sentences)  # nowhere in the whole: in no window either
            and any(_fires(rule, window) for window in windows)
        ):
            found.add(rule.kind)
    return found


def _sentences(plain: str) -> Iterator[Sequence[str]]:
    """Yield the words of each sentence of a plain text.

    A very short one is read with those after it, a long one in pieces.
    """
    spellings = _rules().spellings
    words: list[str] = []
    for sentence in _SENTENCE_END.split(plain):
        words += [spellings.get(word, word) for word in words_of(sentence).split()]
        if len(words) >= _SHORTEST:
            for start in range(0, max(1, len(words) - _OVERLAP), _LONGEST - _OVERLAP):
                yield words[start : start + _LONGEST]
            words = []
    if words:
        yield words


class _Sentence:
    """A sentence, and where each group that was looked for is found in it."""

    def __init__(self, words: Sequence[str]) -> None:
        self._text = " ".join(words)
        self.possible: dict[str, list[re.Pattern[str]]] = {}
        rules = _rules()
        for place in rules.triggers.possible(words):
            group, phrase = rules.phrases[place]
            self.possible.setdefault(group, []).append(phrase)
        self._found: dict[str, int | None] = {}

    def find(self, group: str) -> int | None:
        """Return where the group's first phrase begins; None where there is none."""
        if group not in self.possible:
            return None
        if group not in self._found:
            matches = (phrase.search(self._text) for phrase in self.possible[group])
            self._found[group] = min((match.start() for match in matches if match), default=None)
        return self._found[group]


_Place = tuple[int, int]
"""Sentence and character, to tell what comes first."""


def _place(group: str, window: Sequence[_Sentence]) -> _Place | None:
    for number, sentence in enumerate(window):
        if (start := sentence.find(group)) is not None:
            return number, start
    return None


def _evidence(rule: _Rule, window: Sequence[_Sentence]) -> list[_Place]:
    """Return where a rule's phrases stand; nothing unless there are enough of them."""
    places: list[_Place] = []
    for group in rule.all:
        place = _place(group, window)
        if place is None:
            return []
        places.append(place)
    points = 0
    for group, worth in rule.points.items():
        if place := _place(group, window):
            places.append(place)
            points += worth
    return places if points >= _ENOUGH_POINTS or not rule.points else []


def _fires(rule: _Rule, window: Sequence[_Sentence]) -> bool:
    places = _evidence(rule, window)
    if not places or any(_place(group, window) for group in rule.unless):
        return False
    if _place("present", window):
        return True  # whatever was asked first, or happened before
    asked = _place("general", window)
    if asked and asked < min(places) and not rule.general:
        return False
    return rule.ever or not _place("past", window) or _place("now", window) is not None


_rules()  # when the service starts, not when somebody asks
