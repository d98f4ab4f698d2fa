"""What is asked in an evaluation: the rows of a split, and its questions with all their answers.

    test_unseen, valid_unseen   topics that training never saw (`training.data.splits`)
    test_seen, valid_seen       the hundred most frequent topics, the question held out
    random                      rows drawn at random from all kept ones, as a random split tests:
                                it leaks, and shows by how much

Knows nothing about models.
"""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import pandas as pd

from training.data.examples import read_rows
from training.data.topics import normalise
from training.errors import DataError

Row = TypeVar("Row")
SPLITS = ("test_unseen", "test_seen", "valid_unseen", "valid_seen", "random")
RANDOM_ROWS = 500
NEEDED = (
    "QuestionClean",
    "AnswerClean",
    "QuestionType",
    "FocusFixed",
    "Source",
    "Keep",
    "GroupId",
    "Split",
    "SeedRow",
)
"""The columns that are read, as `prepare` writes them."""


@dataclass(frozen=True, slots=True)
class Question:
    """A question with every published answer to it in its split."""

    text: str
    references: tuple[str, ...]
    group: str
    type: str
    source: str


@dataclass(frozen=True, slots=True)
class Questions:
    """One split: its rows, one for each published answer, and its distinct questions."""

    rows: pd.DataFrame
    asked: tuple[Question, ...]
    trained_share: float
    """Share of the rows that the fine-tuned model was trained on."""


def read_table(data: Path) -> pd.DataFrame:
    """Return the kept rows of `data/medquad.csv`.

    Raises:
        DataError: the table is missing or is not what `prepare` writes.
    """
    table = read_rows(data, NEEDED)
    kept = table[(table["Keep"] == "1") & (table["AnswerClean"] != "")]
    if kept.empty:
        raise DataError(f"{data / 'medquad.csv'} keeps no row with an answer; prepare it again")
    return kept.reset_index(drop=True)


def training_rows(table: pd.DataFrame, recipe_rows: str) -> "pd.Series[bool]":
    """Return which rows a recipe trains on: the notebook's, or the `train` split's.

    Records of earlier versions call the notebook `seed`.
    """
    return table["SeedRow" if recipe_rows in ("notebook", "seed") else "Split"] == "train"


def present(table: pd.DataFrame) -> list[str]:
    """Return the splits that a table has rows of."""
    return [name for name in SPLITS if name == "random" or (table["Split"] == name).any()]


def questions(
    table: pd.DataFrame, split: str, trained: "pd.Series[bool]", limit: int | None = None
) -> Questions:
    """Return a split's rows and questions; with `limit`, the first so many by a hash of the row.

    Raises:
        DataError: there are none, or the split's name is unknown.
    """
    if split not in SPLITS:
        raise DataError(f"there is no split {split!r}; there are {', '.join(SPLITS)}")
    rows = table if split == "random" else table[table["Split"] == split]
    if rows.empty:
        raise DataError(f"medquad.csv has no rows of the split {split}")
    most = RANDOM_ROWS if split == "random" else len(rows)
    keys = rows["QuestionClean"] + "\0" + rows["AnswerClean"]
    chosen = rows.loc[keys.map(_hash).sort_values().index[: min(limit or most, most)]]
    return Questions(chosen, _asked(chosen), float(trained[chosen.index].mean()))


def _asked(rows: pd.DataFrame) -> tuple[Question, ...]:
    """Join rows with one normalised question; the first says how it is spelled and what it is."""
    answers: dict[str, list[str]] = {}
    first: dict[str, Question] = {}
    columns = ["QuestionClean", "AnswerClean", "GroupId", "QuestionType", "Source"]
    for text, answer, group, kind, source in rows[columns].itertuples(index=False, name=None):
        key = normalise(text)
        first.setdefault(key, Question(text, (), group, kind, source))
        if answer not in answers.setdefault(key, []):
            answers[key].append(answer)
    return tuple(
        Question(asked.text, tuple(answers[key]), asked.group, asked.type, asked.source)
        for key, asked in first.items()
    )


def drawn(asked: Sequence[Question], number: int) -> list[int]:
    """Return the places of so many questions, chosen by a hash of their text."""
    by_hash = sorted(range(len(asked)), key=lambda place: _hash(asked[place].text))
    return sorted(by_hash[:number])


def drawn_rows(rows: Sequence[Row], text: Callable[[Row], str], most: int | None) -> list[Row]:
    """Return at most so many rows, chosen and ordered by a hash of their text."""
    return sorted(rows, key=lambda row: _hash(text(row)))[:most]


def _hash(text: str) -> str:
    return hashlib.sha256(f"evaluation {text}".encode()).hexdigest()
