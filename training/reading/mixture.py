"""What a model learns to read from: questions, passages among which the right one may be, answers.

Three kinds of row: without passages, as in fine-tuning; with the passage that answers, alone or
among wrong ones; with wrong ones only, where the answer is that none speaks of it. Wrong ones are
hard: names that are nearly the same, the same type of question, the same source, the same topic.
Everything is drawn from training rows. Knows nothing about models.
"""

import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from pathlib import Path
from random import Random
from typing import NamedTuple

import pandas as pd
import yaml

from training.data.examples import sentences
from training.prompt import NOT_FOUND, passage
from training.reading.names import Siblings, exchanged, numbered, with_other_genes
from training.recipe import Mixture

_FACTS = ("genetic changes", "inheritance")
_PASSAGE_SCALES = (0.2, 0.3, 0.5, 1.0)  # of the longest: short ones cost little and teach to choose
_LATER_SENTENCES = 4
ELLIPSIS = " …"
_ELLIPSIS_TOKENS = 3


class Published(NamedTuple):
    """A published answer to a question on a topic."""

    question: str
    answer: str
    topic: str
    group: str
    type: str
    source: str


class Reading(NamedTuple):
    """A question with passages, and what to answer.

    An answer that is not `whole` is its beginning: which passage it is taken from shows there, and
    the rest is copying.
    """

    question: str
    passages: tuple[str, ...]
    answer: str
    whole: bool


def published(table: pd.DataFrame) -> list[Published]:
    """Return a prepared table's rows."""
    columns = ["QuestionClean", "AnswerClean", "FocusFixed", "GroupId", "QuestionType", "Source"]
    return [Published(*row) for row in table[columns].itertuples(index=False, name=None)]


class Drawing:
    """Draws readings from published answers, as a recipe says.

    `length` returns how many tokens a text has.
    """

    def __init__(
        self, rows: Sequence[Published], plan: Mixture, length: Callable[[str], int], seed: int
    ) -> None:
        self._plan = plan
        self._random = Random(seed)  # noqa: S311 - it draws rows, and keeps no secret
        self._length = cache(length)
        self._rows = rows
        weights = [plan.fact_weight if _is_fact(row) else 1.0 for row in rows]
        self._readable = self._endless(rows, weights)
        self._plain = self._endless(rows, None)
        self._topics = sorted({row.topic for row in rows if 3 < len(row.topic) <= 60})
        self._siblings = Siblings([row.topic for row in rows])
        self._alike: dict[tuple[str, ...], list[Published]] = defaultdict(list)
        for row in rows:
            for key in ((row.topic,), (row.type, row.source), (row.type, row.topic, "")):
                self._alike[key].append(row)

    def draw(self, number: int) -> list[Reading]:
        """Return so many readings, of the kinds that the recipe wants."""
        shares = self._plan.shares
        kinds = self._random.choices(list(shares), list(shares.values()), k=number)
        return [self._one(kind) for kind in kinds]

    def _one(self, kind: str) -> Reading:
        if kind == "without_passages":
            row = next(self._plain)
            own = self._random.random() < self._plan.published_wording_without
            return Reading(row.question if own else self._asked(row)[0], (), row.answer, True)
        while True:
            found = self._with_passages(next(self._readable), kind)
            if found:
                return found

    def _with_passages(self, row: Published, kind: str) -> Reading | None:
        random, plan = self._random, self._plan
        twin = ""
        if row.topic and random.random() < plan.renamed:
            row, twin = self._renamed(row)
        scale = random.choice(_PASSAGE_SCALES)
        right, answer = self._excerpt(row, scale)
        asked, topic = self._asked(row)
        if not answer or not topic:
            return None
        number = 0 if kind == "right_alone" else random.randint(1, plan.passages - 1)
        if kind == "only_wrong":
            number = random.randint(1, plan.passages)
            wrong = self._wrong(row, twin, number, scale, False)
            return Reading(asked, wrong, passage(topic, NOT_FOUND), True)
        passages = [right, *self._wrong(row, twin, number, scale, True)]
        random.shuffle(passages)
        whole = random.random() >= plan.beginnings
        return Reading(asked, tuple(passages), answer, whole)

    def _renamed(self, row: Published) -> tuple[Published, str]:
        """Give a row's topic another name, and its genes; return a name nearly the same, or ""."""
        random = self._random
        name, twin = random.choice(self._topics), ""
        if random.random() < self._plan.numbered:
            name, twin = numbered(random.choice((name, row.topic)), random)
        answer = exchanged(row.answer, row.topic, name)
        if random.random() < self._plan.renamed:
            answer = with_other_genes(answer, random)
        question = exchanged(row.question, row.topic, name)
        return row._replace(question=question, answer=answer, topic=name), twin

    def _wrong(
        self, row: Published, twin: str, number: int, scale: float, same_topic: bool
    ) -> tuple[str, ...]:
        """Return passages that do not answer; only beside a right one any on the same topic."""
        found: list[str] = []
        while len(found) < number:
            other = self._other(row, same_topic)
            if twin:
                question = exchanged(other.question, other.topic, twin)
                answer = exchanged(other.answer, other.topic, twin)
                other = other._replace(question=question, answer=answer, topic=twin)
                twin = ""
            text, _ = self._excerpt(other, scale)
            if text and text not in found:
                found.append(text)
        return tuple(found)

    def _other(self, row: Published, same_topic: bool) -> Published:
        random = self._random
        for _ in range(20):
            way = random.random()
            if way < self._plan.near_names:
                near = self._siblings.of(row.topic)
                topic = random.choice(near) if near else ""
                some = self._alike.get((row.type, topic, "")) or self._alike.get((topic,), [])
            elif way < self._plan.near_names + self._plan.same_topic and same_topic:
                some = [each for each in self._alike.get((row.topic,), []) if each.type != row.type]
            else:
                some = self._alike[row.type, row.source]
            if not some:
                continue
            other = random.choice(some)
            own_topic = other.topic == row.topic
            if other.group != row.group and not own_topic and not _contained(row, other):
                return other
            if same_topic and own_topic and other.type != row.type:
                return other
        return random.choice(
            [each for each in random.choices(self._rows, k=50) if each.group != row.group]
        )

    def _excerpt(self, row: Published, scale: float) -> tuple[str, str]:
        """Return a passage of whole sentences, and what to answer from it: its first ones."""
        random, plan = self._random, self._plan
        parts = sentences(row.answer)
        if len(parts) > 3 and random.random() < plan.later_windows:
            parts = parts[random.randint(1, min(len(parts) - 2, _LATER_SENTENCES)) :]
        kept = fitting(parts, round(plan.passage_tokens * scale), self._length)
        answer = fitting(kept, plan.target_tokens, self._length)
        if not answer or not row.topic:
            return "", ""
        return passage(row.topic, " ".join(kept)), passage(row.topic, " ".join(answer))

    def _asked(self, row: Published) -> tuple[str, str]:
        """Return a row's question, in its own words or as people ask, and the topic as it says it.

        No topic: the question does not say it.
        """
        random = self._random
        known = phrasings().get(row.type)
        if not known or not row.topic or random.random() < self._plan.published_wording:
            said = re.search(re.escape(row.topic), row.question, re.IGNORECASE)
            return row.question, said[0] if said else ""
        topic = row.topic.partition(" (")[0] if random.random() < 0.5 else row.topic
        asked = random.choice(known).format(x=topic)
        if random.random() < self._plan.lower_case:
            return asked.lower(), topic.lower()
        return asked, topic

    def _endless(
        self, rows: Sequence[Published], weights: Sequence[float] | None
    ) -> Iterator[Published]:
        """Yield rows in random order, each once before any comes again; a weight of 2 is twice."""
        while True:
            turn = [
                row
                for row, weight in zip(rows, weights or [1.0] * len(rows), strict=True)
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


def _contained(left: Published, right: Published) -> bool:
    """Return whether one topic's name stands in the other's: then they may be one."""
    one, other = left.topic.lower(), right.topic.lower()
    return one in other or other in one


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
