"""What a model learns to read from: questions, the passage before each or none, and answers.

Three kinds of row: without a passage, as in fine-tuning; with the passage that answers; and with an
empty one, whose answer is that the published answers found do not tell. The search chooses the
passage, not the model: one of a few million parameters did not learn to tell one topic from
another. Everything is drawn from training
rows. Knows nothing about models.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from pathlib import Path
from random import Random
from typing import NamedTuple

import pandas as pd
import yaml

from training.data.examples import sentences
from training.errors import DataError
from training.prompt import NOT_FOUND, passage
from training.recipe import Mixture

_FACTS = ("genetic changes", "inheritance")
_PASSAGE_SCALES = (0.4, 0.7, 1.0)  # of the longest: as short as some published answers are
_LATER_SENTENCES = 4
_GENE = re.compile(r"\b(?!DNA\b|RNA\b)(?=[A-Z0-9]*[A-Z])[A-Z][A-Z0-9]{1,8}(?= genes?\b)")
_LETTERS, _DIGITS = "ABCDEFGHIKLMNOPRSTX", "123456789"
_MADE_UP = 0.5  # of the symbols; the others are another gene's
ELLIPSIS = " …"
_ELLIPSIS_TOKENS = 3
_MOST_TRIES = 1_000  # rows in a row of which no sentence fits


class Published(NamedTuple):
    """A published answer to a question on a topic."""

    question: str
    answer: str
    topic: str
    group: str
    type: str
    source: str


class Reading(NamedTuple):
    """A question, what there is to read, and what to answer."""

    question: str
    passages: tuple[str, ...]
    """None: not asked to read. One that is empty: to read, but nothing was found."""
    answer: str


def published(table: pd.DataFrame) -> list[Published]:
    """Return a prepared table's rows."""
    columns = ["QuestionClean", "AnswerClean", "FocusFixed", "GroupId", "QuestionType", "Source"]
    return [Published(*row) for row in table[columns].itertuples(index=False, name=None)]


class Drawing:
    """Draws readings from published answers, as a recipe says.

    `length` returns how many tokens a text has.

    Raises:
        DataError: no row has a topic, or no answer a sentence that fits.
    """

    def __init__(
        self, rows: Sequence[Published], plan: Mixture, length: Callable[[str], int], seed: int
    ) -> None:
        self._plan = plan
        self._random = Random(seed)  # noqa: S311 - it draws rows, and keeps no secret
        self._length = cache(length)
        self._symbols = sorted({symbol for row in rows for symbol in _GENE.findall(row.answer)})
        readable = [row for row in rows if row.topic]
        if not readable:
            raise DataError("no row to learn reading from has a topic, in the column FocusFixed")
        weights = [plan.fact_weight if _is_fact(row) else 1.0 for row in readable]
        self._readable = self._endless(readable, weights)
        self._plain = self._endless(rows, [1.0] * len(rows))

    def draw(self, number: int) -> list[Reading]:
        """Return so many readings, of the kinds that the recipe wants."""
        shares = self._plan.shares
        kinds = self._random.choices(list(shares), list(shares.values()), k=number)
        return [self._one(kind) for kind in kinds]

    def _one(self, kind: str) -> Reading:
        if kind == "without_passage":
            row = next(self._plain)
            return Reading(row.question, (), row.answer)
        for _ in range(_MOST_TRIES):
            row = next(self._readable)
            if kind == "none_found":
                return Reading(self._asked(row), ("",), NOT_FOUND)
            text, answer = self._excerpt(self._with_other_genes(row))
            if answer:
                return Reading(self._asked(row), (text,), answer)
        raise DataError(f"no answer has a sentence of at most {self._plan.target_tokens} tokens")

    def _with_other_genes(self, row: Published) -> Published:
        """Exchange the genes that some rows name: who then names them right must have read."""
        random, answer = self._random, row.answer
        if random.random() < self._plan.other_genes:
            for symbol in dict.fromkeys(_GENE.findall(answer)):
                other = random.choice(self._symbols)
                if random.random() < _MADE_UP:
                    other = "".join(random.choices(_LETTERS, k=random.randint(2, 4)))
                    other += "".join(random.choices(_DIGITS, k=random.randint(0, 2)))
                answer = re.sub(rf"\b{symbol}\b", other, answer)
        return row._replace(answer=answer)

    def _excerpt(self, row: Published) -> tuple[str, str]:
        """Return a passage of whole sentences, and what to answer from it: its first ones."""
        scale = self._random.choice(_PASSAGE_SCALES)
        parts = sentences(row.answer)
        if len(parts) > 3 and self._random.random() < self._plan.later_windows:
            parts = parts[self._random.randint(1, min(len(parts) - 2, _LATER_SENTENCES)) :]
        kept = fitting(parts, round(self._plan.passage_tokens * scale), self._length)
        answer = fitting(kept, self._plan.target_tokens, self._length)
        return (passage(row.topic, " ".join(kept)), " ".join(answer)) if answer else ("", "")

    def _asked(self, row: Published) -> str:
        """Return a row's question, in its own words or as people ask."""
        random = self._random
        known = phrasings().get(row.type)
        if not known or random.random() < self._plan.published_wording:
            return row.question
        topic = row.topic.partition(" (")[0] if random.random() < 0.5 else row.topic
        asked = random.choice(known).format(x=topic)
        return asked.lower() if random.random() < self._plan.lower_case else asked

    def _endless(self, rows: Sequence[Published], weights: Sequence[float]) -> Iterator[Published]:
        """Yield rows in random order, each once before any comes again; a weight of 2 is twice."""
        while True:
            turn = [
                row
                for row, weight in zip(rows, weights, strict=True)
                for _ in range(int(weight) + (self._random.random() < weight % 1))
            ]
            self._random.shuffle(turn)
            yield from turn


@cache
def phrasings() -> dict[str, list[str]]:
    """Return by question type how people ask."""
    path = Path(__file__).with_name("phrasings.yaml")
    found: dict[str, list[str]] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return found


def _is_fact(row: Published) -> bool:
    return row.source == "GHR" and row.type in _FACTS


def fitting(parts: Sequence[str], limit: int, length: Callable[[str], int]) -> list[str]:
    """Return as many of the first sentences as have at most so many tokens.

    A first sentence that alone is longer, a list of signs say, ends at a comma, with an ellipsis.
    """
    kept: list[str] = []
    left = limit
    for part in parts:
        left -= length(part)
        if left < 0:
            break
        kept.append(part)
    if kept or not parts:
        return kept
    clauses: list[str] = []
    left = limit - _ELLIPSIS_TOKENS
    for clause in parts[0].removesuffix(ELLIPSIS).split(", "):
        left -= length(clause) + 1
        if left < 0:
            break
        clauses.append(clause)
    return [", ".join(clauses) + ELLIPSIS] if clauses else []
