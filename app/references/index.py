"""Published answers to questions like the one asked, from an index that `training index` wrote.

A question of the index is worth what the message says about its topic (the best of the topic's
names: the weights of the name's words that the message has, times the share of the name that they
are, squared), plus BM25 of the message against the question with its topic's names (Robertson &
Zaragoza 2009), times a little more where the message sounds like its type. A name that stands in
the message word after word counts more. BM25 against the answers added nothing: two thirds of the
questions have none. The few weights were chosen by cross-validation (`python -m benchmarks
references`).
"""

import asyncio
import json
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import numpy as np

from app.errors import IndexFailure
from app.references.calibration import Judge, floor
from app.references.marks import Evidence, Marked, marked
from app.references.passages import Passage, window
from app.references.query_analysis import analyse
from app.references.ranking import Ranked, Ranking, Weights
from app.references.spelling import Spelling
from app.references.storage import Texts, Vocabulary, load
from app.references.terms import Terms

_FORMAT = 3
_REMEMBERED_RANKS = 4  # a question is ranked for what is shown, and for what a model is to read
_CONSIDERED = 30  # the nearest questions, of which the likely good ones are found
_FARTHER = 7  # places after those asked for, of which a text may come forward
_NEAR = 0.1  # of the best score: what is below is about something else
_NO_WORD = 1e-6  # score of a question that shares no word
_READ_FIRST = 3


class Reference(NamedTuple):
    """A published question, where it stands, and its answer where the licence left one."""

    id: str
    question: str
    answer: str | None
    source: str
    url: str
    focus: str
    type: str
    licence: str
    score: float


class References:
    """The index; one thread of its own searches it, so that many questions take turns."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.weights = Weights()
        try:
            self._load(directory)
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise IndexFailure(
                f"{directory} is no index of references ({error!r}): "
                f"`python -m training index --out {directory}` makes one"
            ) from error
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="references")
        self.searching = 0
        """Searches that run or wait for the thread."""

    def _load(self, directory: Path) -> None:
        self.settings = json.loads((directory / "index.json").read_text(encoding="utf-8"))
        if self.settings["format"] != _FORMAT:
            raise ValueError(f"its format is {self.settings['format']}, not {_FORMAT}")
        self.terms = Terms(self.settings["terms"])
        self._remembered_ranks = lru_cache(_REMEMBERED_RANKS)(self._rank)
        self.spelling = Spelling(load(directory, "words.spelled"), load(directory, "words.known"))
        self._vocabulary = Vocabulary(directory)
        self._rows, self._described, self._answers = (
            Texts(directory, name, self.settings["per_block"][name])
            for name in ("rows", "documents", "answers")
        )
        self.ranking = Ranking(directory, self.settings["types"], self._vocabulary)
        if len(self.ranking.documents) != self.settings["questions"]:
            raise ValueError("its files do not belong together")

    def __len__(self) -> int:
        """How many questions it holds."""
        return len(self.ranking.documents)

    async def find(self, message: str, count: int) -> list[Reference]:
        """Search without holding up the event loop."""
        loop = asyncio.get_running_loop()
        self.searching += 1
        try:
            return await loop.run_in_executor(self._thread, self.search, message, count)
        finally:
            self.searching -= 1

    async def find_passages(
        self, question: str, count: int, characters: int = 1_000
    ) -> list[Passage]:
        """Search for what a model is to read, without holding up the event loop."""
        loop = asyncio.get_running_loop()
        self.searching += 1
        try:
            return await loop.run_in_executor(
                self._thread, self.passages, question, count, characters
            )
        finally:
            self.searching -= 1

    def search(self, message: str, count: int) -> list[Reference]:
        """Return the references for a message, the best first; none that is likely good: none.

        Where none of the first three has a text and a good one farther down does, the best of
        those takes the third place.
        """
        if not count:
            return []
        ranked = self.rank(message)
        judge = Judge(ranked, self.ranking)
        likely = list(islice(self._likely(ranked, judge), count + _FARTHER))
        has_text = [bool(self.ranking.answers[row]) for row, _ in likely]
        if count >= _READ_FIRST and True in has_text and True not in has_text[:_READ_FIRST]:
            likely.insert(_READ_FIRST - 1, likely.pop(has_text.index(True)))
        highest = np.minimum.accumulate([probability for _, probability in likely[:count]])
        return [
            self.entry(row, float(least))
            for (row, _), least in zip(likely[:count], highest, strict=True)
        ]

    def passages(self, question: str, count: int, characters: int = 1_000) -> list[Passage]:
        """Return what published answers say on a question: different texts, the best first.

        Args:
            question: as a person asked it.
            count: the most to return; fewer, or none, where no more is likely good.
            characters: the most of each; about 230 of GPT-2's tokens for 1,000.

        """
        ranked = self.rank(question)
        weights = self._telling(ranked)
        passages: dict[str, Passage] = {}
        judge, first = Judge(ranked, self.ranking), None
        for row, probability in self._likely(ranked, judge):  # the first often does
            if probability < floor():  # whoever reads it would take it for the answer
                break
            first = row if first is None else first
            if not judge.is_meant(row, first):
                continue
            reference = self.entry(row, probability)
            if reference.answer and reference.answer not in passages:
                passages[reference.answer] = Passage(
                    reference.id,
                    reference.focus,
                    reference.question,
                    window(reference.answer, weights, self.terms.stems, characters),
                    reference.source,
                    reference.url,
                    reference.licence,
                    reference.score,
                )
            if len(passages) == count:
                break
        return list(passages.values())

    def nearest(self, ranked: Ranked) -> list[int]:
        """Return the questions nearest to a message; of equals those with a text first."""
        scores = ranked.scores
        best = np.flatnonzero(scores > max(_NO_WORD, _NEAR * float(scores.max(initial=0))))
        textless = self.ranking.answers[best] == 0
        nearest: list[int] = best[np.lexsort((best, textless, -scores[best]))].tolist()
        return nearest[:_CONSIDERED]

    def _likely(self, ranked: Ranked, judge: Judge) -> Iterator[tuple[int, float]]:
        """Yield the questions that are likely good and how likely, the best first."""
        likely = 1.0
        for place, row in enumerate(self.nearest(ranked)):
            likely = min(likely, judge.probability(row))
            if not place and (likely < floor() or not ranked.query.readable):
                return
            yield row, likely

    def _telling(self, ranked: Ranked) -> dict[str, float]:
        rarities = self.ranking.questions.rarities
        return {
            term: weight * float(rarities[number])
            for term, weight in ranked.query.weights.items()
            if (number := ranked.terms[term]) is not None
        }

    def rank(self, message: str) -> Ranked:
        """Return how near every question is to a message."""
        return self._remembered_ranks(message)

    def _rank(self, message: str) -> Ranked:
        query = analyse(message, self.terms, self.spelling, self._vocabulary, self.weights.stress)
        return self.ranking.rank(query, self.weights)

    async def marked(self, answer: str, texts: Sequence[Evidence]) -> list[Marked]:
        """Hold an answer's sentences against texts without holding up the event loop."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._thread, marked, answer, texts)

    def close(self) -> None:
        """Let the thread end."""
        self._thread.shutdown(wait=False, cancel_futures=True)

    def entry(self, row: int, score: float = 0.0) -> Reference:
        """Return a question of the index by its number."""
        number, question = self._rows[row].split("\t")
        path, source, url, focus = self._described[int(self.ranking.documents[row])].split("\t")
        answer = int(self.ranking.answers[row])
        return Reference(
            id=f"{path}#{number}",
            question=question,
            answer=self._answers[answer - 1] if answer else None,
            source=source,
            url=url,
            focus=focus,
            type=self.settings["types"][int(self.ranking.types[row])],
            licence="CC BY 4.0" if answer else "link only",
            score=round(score, 3),
        )
