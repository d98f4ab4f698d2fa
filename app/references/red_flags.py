"""Which questions should go to people and not to a language model, by the rules in red_flags.toml.

Knows nothing about HTTP or models. Time is linear in the text: phrases have bounded gaps, and a
rule looks at no more than two sentences at once.
"""

import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal

Kind = Literal["emergency", "self_harm", "overdose", "poisoning", "abuse"]

_FILE = Path(__file__).with_suffix(".toml")
_ENOUGH_POINTS = 4
_SENTENCE_END = re.compile(r"[.!?;]+(?=\s|$)|[\r\n]+")
_APOSTROPHES = str.maketrans("", "", "'`\u00b4\u2018\u2019")
_NO_WORD = re.compile(r"[\W_]+")
_GROUP = re.compile(r"\{([a-z_]+)\}")


@dataclass(frozen=True, slots=True)
class Notice:
    """What a person in need is told before any answer, and whom to call."""

    kind: Kind
    text: str
    contact: str


@dataclass(frozen=True, slots=True)
class _Rule:
    """What red_flags.toml says of a rule; its first lines explain the fields."""

    kind: Kind
    all: tuple[str, ...] = ()
    points: Mapping[str, int] = field(default_factory=dict)
    unless: tuple[str, ...] = ()
    person: bool = True
    ever: bool = False
    general: bool = False


@dataclass(frozen=True, slots=True)
class _Rules:
    """The file, compiled."""

    groups: Mapping[str, re.Pattern[str]]
    rules: Sequence[_Rule]
    spellings: Mapping[str, str]
    texts: Mapping[Kind, str]
    contacts: Mapping[str, Mapping[Kind, str]]


@cache
def _rules() -> _Rules:
    read: dict[str, Any] = tomllib.loads(_FILE.read_text(encoding="utf-8"))
    words = read["words"]
    return _Rules(
        groups={name: _compile(words, name) for name in words},
        rules=[
            _Rule(**rule | {key: tuple(rule.get(key, ())) for key in ("all", "unless")})
            for rule in read["rules"]
        ],
        spellings=read["spellings"],
        texts=read["texts"],
        contacts=read["contacts"],
    )


def _compile(words: Mapping[str, Sequence[str]], name: str) -> re.Pattern[str]:
    def expanded(group: str) -> str:
        phrases = "|".join(words[group])
        return "(?:" + _GROUP.sub(lambda match: expanded(match[1]), phrases) + ")"

    pattern = rf"\b{expanded(name)}\b"
    return re.compile(pattern.replace("~ ", r"(?:\w+ ){0,6}").replace(" ~", r"(?: \w+){0,6}"))


def spoken(notices: Iterable[Notice]) -> str:
    """Return notices as text to stand before other text, for clients that show nothing else."""
    return "".join(f"{notice.text} {notice.contact}\n\n" for notice in notices)


def regions() -> list[str]:
    """Return the codes of the regions that have contacts."""
    return list(_rules().contacts)


def notices(text: str, region: str) -> list[Notice]:
    """Return one notice for each kind of need that the text speaks of, with a region's contacts."""
    found = set(_kinds(text))
    rules = _rules()
    return [
        Notice(kind, words, rules.contacts[region][kind])
        for kind, words in rules.texts.items()
        if kind in found
    ]


def _kinds(text: str) -> Iterator[Kind]:
    sentences = [_Sentence(words) for words in _sentences(text)]
    windows = [[sentence] for sentence in sentences] + [list(pair) for pair in pairwise(sentences)]
    person = any(_place(group, sentences) for group in ("person", "urgent"))
    for rule in _rules().rules:
        if (
            (person or not rule.person)
            and _evidence(rule, sentences)  # nowhere in the whole: in no window either
            and any(_fires(rule, window) for window in windows)
        ):
            yield rule.kind


def _sentences(text: str) -> Iterator[str]:
    """Yield each sentence as lower-case words with single spaces between."""
    plain = text.lower().translate(_APOSTROPHES)
    spellings = _rules().spellings
    for sentence in _SENTENCE_END.split(plain):
        if words := _NO_WORD.sub(" ", sentence).split():
            yield " ".join(spellings.get(word, word) for word in words)


@dataclass(slots=True)
class _Sentence:
    """A sentence, and where each group that was looked for is found in it."""

    words: str
    found: dict[str, int | None] = field(default_factory=dict)

    def find(self, group: str) -> int | None:
        """Return where the group's first phrase begins; None where there is none."""
        if group not in self.found:
            match = _rules().groups[group].search(self.words)
            self.found[group] = match.start() if match else None
        return self.found[group]


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
    asked = _place("general", window)
    if asked and asked < min(places) and not rule.general:
        return False
    return rule.ever or not _place("past", window) or _place("now", window) is not None
