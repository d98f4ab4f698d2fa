"""Judged questions, and what a ranking of published answers is worth by the judgments.

The format and the measures are those of TREC LiveQA-Med 2017's questions with the judgments of
Ben Abacha & Demner-Fushman (BMC Bioinformatics 2019): a JSON object a line with `subject`,
`message` and `judged`, a list of `{collection, file, question_id, score_max}` with scores 0-3.
"""

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import ir_measures
import numpy as np
from numpy.typing import NDArray

from training.errors import DataError

Floats = NDArray[np.float64]

DEPTH = 10
_RELEVANT = 2


class JudgedQuestion(NamedTuple):
    """A person's message, and the scores of those published answers that were judged for it."""

    message: str
    scores: Mapping[str, int]


def read_judged(path: Path) -> list[JudgedQuestion]:
    """Return the questions of a file; the message is subject and message, as they were sent.

    Raises:
        DataError: it is missing, or a line is not such a question.

    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
        return [_judged(json.loads(line)) for line in lines if line.strip()]
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error}") from error
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(
            f"{path}: not judged questions, one JSON object a line: {error!r}"
        ) from error


def _judged(line: Mapping[str, object]) -> JudgedQuestion:
    scores: dict[str, int] = {}
    judged = line["judged"]
    if not isinstance(judged, list):
        raise TypeError("`judged` is no list")
    for entry in judged:
        key = f"{entry['collection']}/{entry['file']}#{entry['question_id']}"
        scores[key] = max(scores.get(key, 0), int(entry["score_max"]))
    return JudgedQuestion(f"{line['subject']} {line['message']}", scores)


def measures(questions: Sequence[JudgedQuestion], rankings: Sequence[Sequence[str]]) -> Floats:
    """Return each question's avgScore, nDCG@10, MAP@10 and MRR@10: float64 (questions, 4).

    What was not judged scores 0; without any judgment all but the first are NaN. The gain of a
    score is 2^score - 1; relevant are scores of 2 and more, of which MAP@10 expects ten at most.
    """
    found = np.zeros((len(questions), 4))
    judged: dict[str, dict[str, int]] = {}
    ranked: dict[str, dict[str, float]] = {}
    for number, (question, ranking) in enumerate(zip(questions, rankings, strict=True)):
        found[number, 0] = question.scores.get(ranking[0], 0) if ranking else 0
        if question.scores:
            judged[str(number)] = dict(question.scores)
            ranked[str(number)] = {key: float(-place) for place, key in enumerate(ranking[:DEPTH])}
        else:
            found[number, 1:] = math.nan
    scores = {score for question in questions for score in question.scores.values()}
    gain = ir_measures.nDCG(gains={score: 2**score - 1 for score in scores | {0}}) @ DEPTH
    precision = ir_measures.AP(rel=_RELEVANT) @ DEPTH
    column = {gain: 1, precision: 2, ir_measures.RR(rel=_RELEVANT) @ DEPTH: 3}
    for each in ir_measures.iter_calc(list(column), judged, ranked):
        found[int(each.query_id), column[each.measure]] = each.value
    for number, question in enumerate(questions):  # TREC's MAP@10 expects all relevant ones
        relevant = sum(score >= _RELEVANT for score in question.scores.values())
        found[number, 2] *= max(1, relevant / DEPTH)
    return found


def summary(values: Floats, resamples: int = 10_000) -> dict[str, dict[str, float]]:
    """Return each measure's mean and the 95% interval of its bootstrap over questions."""
    random = np.random.default_rng(17)
    drawn = values[random.integers(0, len(values), (resamples, len(values)))]
    judged = np.maximum(1, (~np.isnan(drawn)).sum(axis=1))
    low, high = np.percentile(np.nansum(drawn, axis=1) / judged, [2.5, 97.5], axis=0).round(3)
    mean = np.nanmean(values, axis=0).round(3)
    return {
        name: {"mean": float(mean[n]), "low": float(low[n]), "high": float(high[n])}
        for n, name in enumerate(("avg_score", "ndcg_10", "map_10", "mrr_10"))
    }
