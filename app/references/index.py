"""Published answers to questions like the one asked, from an index that `training index` wrote.

A question of the index is worth what the message says about its topic (the best of the topic's
names: the weights of the name's words that the message has, times the share of the name that they
are, squared), plus BM25 of the message against the question with its topic's names (Robertson &
Zaragoza 2009), times a little more where the message sounds like its type. BM25 against the answers
added nothing: two thirds of the questions have none.
The few weights were chosen by cross-validation (`python -m benchmarks references`).
"""

import asyncio
import json
import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import bm25s
import numpy as np
from bm25s.utils.corpus import JsonlCorpus
from numpy.typing import NDArray

from app.errors import IndexFailure
from app.references.query_analysis import Spelling, Stress, Terms, question_types
from app.references.support import Support, support

_FORMAT = 1
_SUPPORT_CHARACTERS = 5_000  # of each reference: reading a book for one sentence holds up others
_REMEMBERED_TEXTS = 256

Floats = NDArray[np.float32]


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
        self.terms = Terms(*(self.settings[key] for key in ("splitter", "stop_words", "stemmer")))
        self._remembered_stems = lru_cache(_REMEMBERED_TEXTS)(self.terms.stems)
        words = json.loads((directory / "words.json").read_text(encoding="utf-8"))
        self.spelling = Spelling(words["spelled"], words["known"])
        self._names = _Scorer(directory / "names")
        self._questions = _Scorer(directory / "questions")
        self._answers = _Scorer(directory / "answers")
        self._entries = JsonlCorpus(
            directory / "questions.jsonl", show_progress=False, save_index=False, verbosity=0
        )
        rows = np.load(directory / "rows.npy", mmap_mode="r")
        self._documents, self._types = rows[:, 0].astype(np.intp), rows[:, 1].astype(np.intp)
        pairs = np.load(directory / "name_documents.npy", mmap_mode="r")
        self._pair_names = pairs[:, 0].astype(np.intp)
        self._pair_documents = pairs[:, 1].astype(np.intp)
        self._name_totals = self._names.totals()
        if not len(self._entries) == len(rows) == self.settings["questions"]:
            raise ValueError("its files do not belong together")

    def __len__(self) -> int:
        """How many questions it holds."""
        return len(self._entries)

    async def find(self, message: str, count: int) -> list[Reference]:
        """Search without holding up the event loop."""
        loop = asyncio.get_running_loop()
        self.searching += 1
        try:
            return await loop.run_in_executor(self._thread, self.search, message, count)
        finally:
            self.searching -= 1

    def search(self, message: str, count: int) -> list[Reference]:
        """Return the references for a message, the best first; none that shares no word with it.

        To be called by one thread at a time, as `find` does: the entries' file has one place that
        is read.
        """
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
        return self._answers.rarity(stem)

    def close(self) -> None:
        """Let the thread end."""
        self._thread.shutdown(wait=False, cancel_futures=True)

    def _entry(self, row: int, score: float) -> Reference:
        return Reference(**self._entries[row], score=round(score, 3))

    def _scores(self, message: str) -> Floats:
        weighted = self.terms.weighted(message, self.spelling, self.weights.stress)
        scores: Floats = self._topics(weighted)[self._documents]
        scores += self.weights.question * self._questions.scores(weighted)
        scores *= self._type_factors(message)[self._types]
        return scores

    def _topics(self, weighted: Mapping[str, float]) -> Floats:
        """Return what the message says about each document's topic."""
        matched = self._names.scores(weighted)
        share = self._names.scores(dict.fromkeys(weighted, 1.0)) / self._name_totals
        named = matched * share**self.weights.coverage_power
        topics = np.zeros(int(self._documents.max()) + 1, dtype=np.float32)
        found = np.flatnonzero(named[self._pair_names])
        np.maximum.at(topics, self._pair_documents[found], named[self._pair_names[found]])
        return topics

    def _type_factors(self, message: str) -> Floats:
        asked = dict.fromkeys(question_types(message), 1.0)
        usual = dict.fromkeys(("information", "usage"), self.weights.usual_type) | asked
        return np.array(
            [1 + self.weights.type * usual.get(name, 0.0) for name in self.settings["types"]],
            dtype=np.float32,
        )


class _Scorer:
    """One field's BM25, asked with weights of one's own for the terms."""

    def __init__(self, directory: Path) -> None:
        self._engine: Any = bm25s.BM25.load(directory, mmap=True, show_progress=False)

    def scores(self, weighted: Mapping[str, float]) -> Floats:
        """Return each entry's score, float32 (entries,): terms of equal weight go together."""
        together: dict[float, list[str]] = defaultdict(list)
        for term, weight in weighted.items():
            if term in self._engine.vocab_dict:
                together[weight].append(term)
        total = np.zeros(self._engine.scores["num_docs"], dtype=np.float32)
        for weight, terms in together.items():
            total += weight * self._engine.get_scores(terms)
        return total

    def rarity(self, term: str) -> float:
        """Return the logarithm of how many entries there are for each that has the term."""
        ends, entries = self._engine.scores["indptr"], self._engine.scores["num_docs"]
        number = self._engine.vocab_dict.get(term)
        having = 0 if number is None else int(ends[number + 1] - ends[number])
        return math.log(1 + entries / (1 + having))

    def totals(self) -> Floats:
        """Return the sum of each entry's weights, float32 (entries,)."""
        weights, entries = self._engine.scores["data"], self._engine.scores["indices"]
        sums = np.bincount(entries, weights, self._engine.scores["num_docs"])
        return sums.astype(np.float32)
