"""How near each question of the index is to a message.

A question is worth what the message says about its topic (the best of the topic's names: the
weights of the name's words that the message has, times the share of the name that they are,
squared; more if the name stands in the message word after word), plus BM25 of the message against
the question with its topic's names (Robertson & Zaragoza 2009), times a little more where the
message sounds like its type. Knows nothing about texts.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.references.query_analysis import Query, Stress
from app.references.storage import Floats, Postings, Vocabulary, load

_ENOUGH = 0.8  # of the rarity of a word that one name has: what says which topic is meant

_LITTLE = np.float32(1e-6)

Places = NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Weights:
    """What counts how much in the ranking."""

    coverage_power: float = 2.0
    exact: float = 0.3
    """Added for a name that stands in the message word after word."""
    focus: float = 0.07
    """Added for the name that a topic's own document has, over those that it shares."""
    question: float = 0.5
    type: float = 0.2
    asking_word: float = 0.3
    """Times this for words that ask, in names: side effects are no topic, as a rule."""
    stress: Stress = field(default_factory=Stress)
    usual_type: float = 0.5
    """Of the bonus for its type, what information and usage get when nothing asks for them."""


@dataclass(frozen=True, slots=True)
class Ranked:
    """Scores of every question for one message, and what they are made of."""

    query: Query
    scores: Floats
    """float32 (questions,)."""
    named: Floats
    """What each name is worth, float32 (names,)."""
    share: Floats
    """Of each name, the share that the message has, float32 (names,): everyday words that it has
    count little, but whole if it lacks them, for no ear is an elephant ear."""
    terms: Mapping[str, int | None]
    """The message's terms by their number; None for those that no text has."""


class Ranking:
    """The arrays of an index that are searched."""

    def __init__(self, directory: Path, types: Sequence[str], vocabulary: Vocabulary) -> None:
        self._types_named = types
        self.vocabulary = vocabulary
        self.documents: Places = load(directory, "rows.documents").astype(np.intp)
        self._breadths = np.bincount(self.documents)
        self.types: Places = load(directory, "rows.types").astype(np.intp)
        self.answers = load(directory, "rows.answers")
        self._starts: Places = load(directory, "documents.starts").astype(np.intp)
        self._names_of: Places = load(directory, "documents.names").astype(np.intp)
        self._called = np.flatnonzero(np.diff(self._starts))
        self._phrases = load(directory, "phrases.keys")
        self._phrase_names = load(directory, "phrases.names")
        self.specificity: NDArray[Any] = load(directory, "terms.specificity")
        self.names = Postings(
            directory, "names", int(self._names_of.max(initial=0)) + 1, self.specificity
        )
        self.questions = Postings(directory, "questions", len(self.documents), self.specificity)
        self._name_totals, self._name_tells = self.names.totals()
        self.rarest = float(np.log1p((self.names.size - 0.5) / 1.5))
        """The rarity of a word that one name alone has."""

    def names_of(self, row: int) -> Places:
        """Return the names that a question's topic has."""
        document = self.documents[row]
        return self._names_of[self._starts[document] : self._starts[document + 1]]

    def breadth(self, rows: Places) -> int:
        """Return how many questions the widest of these questions' documents has."""
        return int(self._breadths[self.documents[rows]].max())

    def rows_named(self, names: frozenset[int]) -> Places:
        """Return the questions whose topics have one of these names."""
        return np.flatnonzero(self._topics_named(np.array(list(names)))[self.documents])

    def name_telling(self, name: int) -> float:
        """Return how much a name tells, 0-1: `cold` little, `hydrocephalus` enough."""
        return float(min(1.0, self._name_tells[name] / (_ENOUGH * self.rarest)))

    def rank(self, query: Query, weights: Weights) -> Ranked:
        """Return how near every question is."""
        terms = {term: self.vocabulary.number(term) for term in query.weights}
        matched, told = np.zeros((2, self.names.size), dtype=np.float32)
        missing = self._name_totals.copy()
        asked = np.zeros(len(self.documents), dtype=np.float32)
        for term, number in terms.items():
            if number is None:
                continue
            weight = np.float32(query.weights[term])
            worth = self.names.rarities[number]
            if term in query.asking:
                worth = worth * np.float32(weights.asking_word)
            names, _ = self.names.of(number)
            matched[names] += weight * worth
            told[names] += worth
            missing[names] -= self.names.frequencies[number]
            rows, frequencies = self.questions.of(number)
            asked[rows] += weight * self.questions.rarities[number] * frequencies
        share: Floats = told / (told + np.maximum(missing, 0) + _LITTLE)
        named: Floats = matched * share ** np.float32(weights.coverage_power)
        exact = self._exact(query)
        named[exact] *= 1 + weights.exact
        topics = np.zeros(len(self._starts) - 1, dtype=np.float32)
        if len(self._called):
            per_name = named[self._names_of]
            per_name[self._starts[self._called]] *= np.float32(1 + weights.focus)
            topics[self._called] = np.maximum.reduceat(per_name, self._starts[self._called])
        about_another = self._about_another(query)[self.documents]
        scores: Floats = topics[self.documents] + np.float32(weights.question) * asked
        scores *= self._type_factors(query, weights)[self.types]
        scores[about_another] = 0
        return Ranked(query, scores, named, share, terms)

    def _about_another(self, query: Query) -> NDArray[np.bool_]:
        """Return which topics have other numbers than those asked for, bool (documents,).

        Whoever asks after type 36 is not told of type 2, even where nothing is known of 36.
        """
        found = np.zeros(len(self._starts) - 1, dtype=np.bool_)
        for stem, terms in query.numbered.items():
            of_any = self._topics_named(self.names.of_any(self.vocabulary.bound_to(stem)))
            numbers = (self.vocabulary.number(term) for term in terms)
            asked = [self.names.of(number)[0] for number in numbers if number is not None]
            found |= of_any & ~self._topics_named(np.concatenate([*asked, np.empty(0, np.intp)]))
        return found

    def _topics_named(self, names: NDArray[Any]) -> NDArray[np.bool_]:
        """Return which topics have one of some names, bool (documents,)."""
        found = np.zeros(len(self._starts) - 1, dtype=np.bool_)
        if len(names) and len(self._called):
            listed = np.zeros(self.names.size, dtype=np.bool_)
            listed[names.astype(np.intp)] = True
            hits = listed[self._names_of]
            found[self._called] = np.logical_or.reduceat(hits, self._starts[self._called])
        return found

    def _exact(self, query: Query) -> list[int]:
        keys = np.fromiter(query.phrases, dtype=np.uint32, count=len(query.phrases))
        places = np.searchsorted(self._phrases, keys)
        found = places < len(self._phrases)
        hits = places[found][self._phrases[places[found]] == keys[found]]
        return [int(name) for name in self._phrase_names[hits]]

    def _type_factors(self, query: Query, weights: Weights) -> Floats:
        asked = dict.fromkeys(query.types, 1.0)
        usual = dict.fromkeys(("information", "usage"), weights.usual_type) | asked
        return np.array(
            [1 + weights.type * usual.get(name, 0.0) for name in self._types_named],
            dtype=np.float32,
        )
