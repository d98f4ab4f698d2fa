"""Which questions should go to people and not to a language model, and what the asker is told.

A text is flagged by the rules or by a small classifier: rules know what they were made for, the
classifier what resembles it, in Spanish too. What is said stands in notices.toml. Knows nothing
about HTTP or models.
"""

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

from app.red_flags.classifier import classified
from app.red_flags.normalising import plain, words_of
from app.red_flags.rules import kinds_by_rules

FILE = Path(__file__).with_name("notices.toml")

Kind = Literal["emergency", "self_harm", "overdose", "poisoning", "abuse"]

_SPANISH_SHARE = 0.25  # of a text's words


@dataclass(frozen=True, slots=True)
class Notice:
    """What a person in need is told before any answer, and whom to call."""

    kind: Kind
    text: str
    contact: str


@dataclass(frozen=True, slots=True)
class _Texts:
    """What is said of each kind, also in Spanish, and whom to call in each region."""

    texts: Mapping[Kind, str]
    spanish: Mapping[Kind, str]
    contacts: Mapping[str, Mapping[Kind, str]]
    spanish_words: frozenset[str]


@cache
def _texts() -> _Texts:
    read: dict[str, Any] = tomllib.loads(FILE.read_text(encoding="utf-8"))
    return _Texts(
        read["texts"], read["spanish"], read["contacts"], frozenset(read["language"]["spanish"])
    )


def spoken(notices: Iterable[Notice]) -> str:
    """Return notices as text to stand before other text, for clients that show nothing else."""
    return "".join(f"{notice.text} {notice.contact}\n\n" for notice in notices)


def regions() -> list[str]:
    """Return the codes of the regions that have contacts."""
    return list(_texts().contacts)


def notices(text: str, region: str) -> list[Notice]:
    """Return one notice for each kind of need that the text speaks of, with a region's contacts.

    To somebody who writes Spanish each says its first sentence in Spanish.
    """
    simple = plain(text)
    words = words_of(simple)
    found = kinds_by_rules(simple) | {classified(words)}
    texts = _texts()
    spanish = texts.spanish if found != {None} and _is_spanish(words.split()) else {}
    return [
        Notice(kind, f"{spanish.get(kind, '')} {said}".strip(), texts.contacts[region][kind])
        for kind, said in texts.texts.items()
        if kind in found
    ]


def _is_spanish(words: list[str]) -> bool:
    known = _texts().spanish_words
    return sum(word in known for word in words) >= max(1, _SPANISH_SHARE * len(words))
