"""How likely a reference is worth reading: a probability, from what its score is made of.

Logistic regression over a few features. `python -m benchmarks calibrate` fitted the coefficients
in calibration.json, which says on what and how well.
"""

import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from app.references.ranking import Ranked, Ranking

_FILE = Path(__file__).with_suffix(".json")
_MOST_TELLING = 6  # words of a message
_AS_NEAR = 0.8  # of the best score
_WHOLE = 0.8  # of what a name tells: `cystic fibrosis` is no `congenital fibrosis`
_UNKNOWN = 0.4  # of the greatest rarity: a word that no text has may be a name or a slip


class Features(NamedTuple):
    """What the probability is made of."""

    coverage: float
    """Of what the message is about, what the question and its topic have; words count by the
    square of what they tell, and only the six most telling: long messages tell stories."""
    told: float
    """What the topic's best name tells, times the share of it that the message has."""
    score: float
    """The logarithm of one more than its score: how much speaks for it at all."""
    breadth: float
    """The logarithm of one more than the questions that the widest page answers that is as near: a
    page with one is about everything, and seldom about what was asked."""
    length: float
    """The logarithm of one more than the message's words that texts have: each adds to scores."""


class _Model(NamedTuple):
    means: NDArray[np.float64]
    spreads: NDArray[np.float64]
    weights: NDArray[np.float64]
    intercept: float
    floor: float


@cache
def _model() -> _Model:
    read = json.loads(_FILE.read_text(encoding="utf-8"))
    means, spreads, weights = (
        np.array([read[part][name] for name in Features._fields])
        for part in ("means", "spreads", "weights")
    )
    return _Model(means, spreads, weights, read["intercept"], read["floor"])


def floor() -> float:
    """Return the probability below which nothing counts as found."""
    return _model().floor


class Judge:
    """How likely each question of the index is good for one message."""

    def __init__(self, ranked: Ranked, ranking: Ranking) -> None:
        self._ranked = ranked
        self._ranking = ranking
        told = sorted(_told(ranked, ranking), key=lambda term: -term[1])
        self._told = told[:_MOST_TELLING]
        known = sum(number is not None for number in ranked.terms.values())
        self._length = float(np.log1p(known))
        self._about = sum(told for _, told in self._told) or 1.0

    def features(self, row: int) -> Features:
        """Return what speaks for a question."""
        best, told = self._name(row), 0.0
        if best is not None:
            told = float(self._ranked.share[best]) * self._ranking.name_telling(best)
        score = self._ranked.scores[row]
        as_near = np.flatnonzero(self._ranked.scores == score)
        breadth = np.log1p(self._ranking.breadth(as_near)) if score else 0.0
        return Features(
            self._coverage(row), told, float(np.log1p(score)), float(breadth), self._length
        )

    def is_meant(self, row: int, first: int) -> bool:
        """Whether a question's text can be taken for what was asked, where `first` is the best.

        Its topic is the same or about as near, and the message says the topic's name: whoever asks
        after a disease that no text is about is not given another to read.
        """
        best = self._name(row)
        if best is None or self._ranked.share[best] < _WHOLE:
            return False
        names = self._ranking.names_of(first)
        near = self._ranked.scores[row] >= _AS_NEAR * self._ranked.scores[first]
        return bool(near or np.isin(self._ranking.names_of(row), names).any())

    def probability(self, row: int) -> float:
        """Return how likely a question is good, 0-1."""
        model = _model()
        scaled = (np.array(self.features(row)) - model.means) / model.spreads
        return float(1 / (1 + np.exp(-(scaled @ model.weights + model.intercept))))

    def _coverage(self, row: int) -> float:
        has = self._ranking.questions.has
        return (
            sum(told for number, told in self._told if number is not None and has(number, row))
            / self._about
        )

    def _name(self, row: int) -> int | None:
        """Return the topic's name that is worth most."""
        names = self._ranking.names_of(row)
        return int(names[np.argmax(self._ranked.named[names])]) if len(names) else None


def _told(ranked: Ranked, ranking: Ranking) -> Iterator[tuple[int | None, float]]:
    """Yield the terms that say what a message is about, by number, and how much each tells."""
    unknown = _UNKNOWN * ranking.rarest
    for term, number in ranked.terms.items():
        if term in ranked.query.asking or (number is None and ("#" in term or "=" in term)):
            continue
        rarity = float(ranking.questions.rarities[number]) if number is not None else unknown
        yield number, (rarity * ranked.query.weights[term]) ** 2
