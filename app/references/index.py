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
import math
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np

from app.errors import IndexFailure
from app.references.query_analysis import Query, Stress, analyse
from app.references.spelling import Spelling
from app.references.storage import Floats, Postings, Texts, Vocabulary, load
from app.references.support import Support, support
from app.references.terms import Terms

_FORMAT = 2
_SUPPORT_CHARACTERS = 5_000  # of each reference: reading a book for one sentence holds up others
_REMEMBERED_TEXTS = 256


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


@dataclass(frozen=True, slots=True)
class Weights:
    """What counts how much in the ranking."""

    coverage_power: float = 2.0
    exact: float = 0.3
    question: float = 0.5
    type: float = 0.2
    stress: Stress = field(default_factory=Stress)
    usual_type: float = 0.5
    """Of the bonus for its type, what information and usage get when nothing asks for them."""


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
        self._remembered_stems = lru_cache(_REMEMBERED_TEXTS)(self.terms.stems)
        self.spelling = Spelling(load(directory, "words.spelled"), load(directory, "words.known"))
        self._vocabulary = Vocabulary(directory)
        self._rows, self._described, self._answers = (
            Texts(directory, name, self.settings["per_block"][name])
            for name in ("rows", "documents", "answers")
        )
        self._documents = load(directory, "rows.documents").astype(np.intp)
        self._types = load(directory, "rows.types").astype(np.intp)
        self._row_answers = load(directory, "rows.answers")
        self._document_starts = load(directory, "documents.starts").astype(np.intp)
        self._document_names = load(directory, "documents.names").astype(np.intp)
        self._phrases = load(directory, "phrases.keys")
        self._phrase_names = load(directory, "phrases.names")
        self._answers_having = load(directory, "terms.answers")
        names = int(self._document_names.max(initial=0)) + 1
        self._names = Postings(directory, "names", names)
        self._questions = Postings(directory, "questions", len(self._documents))
        self._name_totals = self._names.totals()
        if not len(self._types) == len(self._documents) == self.settings["questions"]:
            raise ValueError("its files do not belong together")

    def __len__(self) -> int:
        """How many questions it holds."""
        return len(self._documents)

    async def find(self, message: str, count: int) -> list[Reference]:
        """Search without holding up the event loop."""
        loop = asyncio.get_running_loop()
        self.searching += 1
        try:
            return await loop.run_in_executor(self._thread, self.search, message, count)
        finally:
            self.searching -= 1

    def search(self, message: str, count: int) -> list[Reference]:
        """Return the references for a message, the best first; none that shares no word with it."""
        if not count:
            return []
        scores = self._scores(message)
        best = np.argpartition(-scores, min(count, len(scores) - 1))[:count]
        best = best[np.lexsort((best, -scores[best]))]
        return [self._entry(int(row), float(scores[row])) for row in best if scores[row] > 0]

    async def support(self, answer: str, references: Sequence[Reference]) -> Support | None:
        """Return how much of an answer stands in references; None where none of them has text."""
        texts = [ref.answer[:_SUPPORT_CHARACTERS] for ref in references if ref.answer]
        if not texts or not answer.strip():
            return None
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._thread, support, answer, texts, self)

    def stems(self, text: str) -> list[str]:
        """Return the stems of a text's words, stop words left out; remembers the last texts.

        Both sides of a comparison are held against the same references.
        """
        return self._remembered_stems(text)

    def weight(self, stem: str) -> float:
        """Return how much a word tells: its inverse document frequency in the answers."""
        number = self._vocabulary.number(stem)
        having = 0 if number is None else int(self._answers_having[number])
        return math.log(1 + self.settings["answered"] / (1 + having))

    def close(self) -> None:
        """Let the thread end."""
        self._thread.shutdown(wait=False, cancel_futures=True)

    def _entry(self, row: int, score: float) -> Reference:
        number, question = self._rows[row].split("\t")
        path, source, url, focus = self._described[int(self._documents[row])].split("\t")
        answer = int(self._row_answers[row])
        return Reference(
            id=f"{path}#{number}",
            question=question,
            answer=self._answers[answer - 1] if answer else None,
            source=source,
            url=url,
            focus=focus,
            type=self.settings["types"][int(self._types[row])],
            licence="CC BY 4.0" if answer else "link only",
            score=round(score, 3),
        )

    def _scores(self, message: str) -> Floats:
        query = analyse(
            message, self.terms, self.spelling, self._vocabulary, self.weights.stress
        )
        scores = self._topics(query)[self._documents]
        asked = np.zeros(len(self._documents), dtype=np.float32)
        for number, weight in self._numbered(query):
            self._questions.add(asked, number, weight)
        scores += self.weights.question * asked
        scores *= self._type_factors(query)[self._types]
        return scores

    def _numbered(self, query: Query) -> list[tuple[int, float]]:
        found = ((self._vocabulary.number(term), weight) for term, weight in query.weights.items())
        return [(number, weight) for number, weight in found if number is not None]

    def _topics(self, query: Query) -> Floats:
        """Return what the message says about each document's topic, float32 (documents,)."""
        matched = np.zeros(self._names.size, dtype=np.float32)
        share = np.zeros_like(matched)
        for number, weight in self._numbered(query):
            self._names.add(matched, number, weight)
            self._names.add(share, number, 1.0)
        share /= self._name_totals
        named = matched * share**self.weights.coverage_power
        exact = self._exact(query)
        named[exact] *= 1 + self.weights.exact
        best = np.zeros(len(self._document_starts), dtype=np.float32)
        called = np.flatnonzero(np.diff(self._document_starts))
        best[called] = np.maximum.reduceat(
            named[self._document_names], self._document_starts[called]
        )
        return best

    def _exact(self, query: Query) -> list[int]:
        """Return the names that stand in the message, word after word."""
        keys = np.fromiter(query.phrases, dtype=np.uint32, count=len(query.phrases))
        places = np.searchsorted(self._phrases, keys)
        places = places[places < len(self._phrases)]
        hits = places[np.isin(self._phrases[places], keys)]
        return [int(self._phrase_names[place]) for place in hits]

    def _type_factors(self, query: Query) -> Floats:
        asked = dict.fromkeys(query.types, 1.0)
        usual = dict.fromkeys(("information", "usage"), self.weights.usual_type) | asked
        return np.array(
            [1 + self.weights.type * usual.get(name, 0.0) for name in self.settings["types"]],
            dtype=np.float32,
        )
