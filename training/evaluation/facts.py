"""Two facts that an answer can be held to by matching strings: which gene, which inheritance.

Genetics Home Reference (GHR) answers one question on each for every condition it describes. Knows
nothing about models.
"""

import re
from collections.abc import Sequence
from typing import Literal, NamedTuple

import pandas as pd

from training.evaluation.questions import drawn_rows
from training.reading.mixture import Published, published

Kind = Literal["gene", "inheritance"]
TYPES: dict[Kind, str] = {"gene": "genetic changes", "inheritance": "inheritance"}
SOURCE = "GHR"

_SYMBOL = r"\b(?!DNA\b|RNA\b)[A-Z][A-Z0-9]{1,8}(?:orf\d+)?\b"
_GENES = re.compile(rf"{_SYMBOL}(?:(?:, (?:and |or )?| and | or ){_SYMBOL})* genes?\b")
_EACH = re.compile(_SYMBOL)
_PATTERN = re.compile(
    r"autosomal (recessive|dominant)|(X|Y)[- ]linked(?: (recessive|dominant))?"
    r"|(mitochondrial|maternal) (?:pattern|inheritance)|(not inherited|sporadic)",
    re.IGNORECASE,
)


class FactQuestion(NamedTuple):
    """A question whose published answer states a fact."""

    row: Published
    kind: Kind
    published: frozenset[str]
    """The genes that it names, or the pattern of inheritance that it names first."""


def stated(kind: Kind, text: str) -> frozenset[str]:
    """Return the genes that a text names as such, or the first pattern of inheritance."""
    if kind == "gene":
        return frozenset(
            symbol for found in _GENES.findall(text) for symbol in _EACH.findall(found)
        )
    found = _PATTERN.search(text)
    if found is None:
        return frozenset()
    name = " ".join(filter(None, found.groups())).lower()
    return frozenset([{"maternal": "mitochondrial", "sporadic": "not inherited"}.get(name, name)])


def is_right(question: FactQuestion, answer: str) -> bool:
    """Return whether an answer names a published gene, or the published pattern first."""
    return bool(stated(question.kind, answer) & question.published)


def states_any(question: FactQuestion, answer: str, facts: frozenset[str]) -> bool:
    """Return whether an answer states one of some facts that is not published on its topic."""
    return bool(stated(question.kind, answer) & facts - question.published)


def fact_questions(
    table: pd.DataFrame, split: str, kind: Kind, most: int | None = None
) -> list[FactQuestion]:
    """Return a split's questions on one kind of fact; of more than `most` those by a hash."""
    rows = table[
        (table["Split"] == split)
        & (table["Source"] == SOURCE)
        & (table["QuestionType"] == TYPES[kind])
    ]
    found = [
        FactQuestion(row, kind, facts)
        for row in published(rows)
        if (facts := stated(kind, row.answer))
    ]
    return drawn_rows(found, lambda each: each.row.question, most)


def pool(table: pd.DataFrame, kind: Kind) -> Sequence[FactQuestion]:
    """Return all kept questions on one kind of fact, to take wrong passages from."""
    every = table.assign(Split="all")
    return fact_questions(every, "all", kind)
