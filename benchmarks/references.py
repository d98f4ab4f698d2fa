"""The ranking of references, in this process: what it is worth.

Cross-validation over the judged questions: the few weights are chosen on four fifths of them and
judged on the last, again and again. What marks are worth is `marks`' affair.
"""

import argparse
import itertools
import time
from pathlib import Path

import bm25s
import numpy as np
import psutil

from app.references.index import References
from app.references.query_analysis import Stress
from app.references.ranking import Weights
from benchmarks.harness.results import Row, record, report
from training.references.ranking_metrics import (
    DEPTH,
    Floats,
    JudgedQuestion,
    measures,
    read_judged,
    summary,
)

_COLUMNS = {
    "score of the first, of 3": "{avg_score:.2f}",
    "its 95% interval": "{avg_score_low:.2f}…{avg_score_high:.2f}",
    "nDCG@10": "{ndcg_10:.2f}",
    "95% interval": "{ndcg_10_low:.2f}…{ndcg_10_high:.2f}",
}
_FOLDS = 5
_ROUNDS = 20


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the benchmark's options."""
    parser.add_argument("--index", type=Path, default=Path("models/references"))
    parser.add_argument(
        "--questions",
        type=Path,
        help="judged questions, as `training evaluate-references` has",
    )


def run(arguments: argparse.Namespace) -> int:
    """Print what was measured."""
    process = psutil.Process()
    before, started = process.memory_info().rss, time.perf_counter()
    references = References(arguments.index)
    print(f"loaded in {time.perf_counter() - started:.2f} s")
    if arguments.questions:
        judged = read_judged(arguments.questions)
        _search_times(references, judged)
        made = record(
            "references",
            f"What the first references for {len(judged)} judged messages are worth.",
            _COLUMNS,
            _rank(references, judged),
            packages=("bm25s",),
        )
        report(made, arguments.keep)
    print(f"resident memory: {(process.memory_info().rss - before) / 1e6:.0f} MB more")
    return 0


def _search_times(references: References, questions: list[JudgedQuestion]) -> None:
    times = []
    for question in questions * 5:
        started = time.perf_counter()
        references.search(question.message, 3)
        times.append((time.perf_counter() - started) * 1_000)
    print("search of a judged message, ms: p50 {:.2f}, p95 {:.2f}, max {:.2f}".format(
        *np.percentile(times, [50, 95, 100])
    ))  # fmt: skip


def _rank(references: References, questions: list[JudgedQuestion]) -> list[Row]:
    """Return rows for plain BM25, what is served, and weights chosen on other questions."""
    served = _measured(references, questions)
    grid = [
        Weights(power, question=question, type=kind, stress=Stress(early=early))
        for power, question, kind, early in itertools.product(
            (1.0, 2.0), (0.5, 1.0), (0.1, 0.2), (0.5, 1.0)
        )
    ]
    tried = []
    for weights in grid:
        references.weights = weights
        tried.append(_measured(references, questions))
    references.weights = Weights()
    means = np.nanmean(np.array(tried), axis=1)
    print(f"lowest and highest of {len(grid)} settings:", end=" ")
    print(means.min(0)[:2].round(3), means.max(0)[:2].round(3), end="\n\n")
    first, gain = _cross_validated(np.array(tried))
    return [
        _figures("plain BM25 of the questions", _plain(references, questions)),
        _figures("as served", served),
        {
            "case": "the same, its weights chosen on other questions (cross-validation)",
            "avg_score": float(first),
            "ndcg_10": float(gain),
        },
    ]


def _figures(case: str, values: Floats) -> Row:
    """Return the row of a case: the first two measures with their intervals."""
    found = summary(values)
    row: Row = {"case": case}
    return row | {
        name if end == "mean" else f"{name}_{end}": found[name][end]
        for name in ("avg_score", "ndcg_10")
        for end in ("mean", "low", "high")
    }


def _plain(references: References, questions: list[JudgedQuestion]) -> Floats:
    """Judge bm25s with its own defaults over the texts of the index's questions."""
    entries = [references.entry(row) for row in range(len(references))]
    quiet = {"show_progress": False}
    engine = bm25s.BM25()
    engine.index(bm25s.tokenize([entry.question for entry in entries], **quiet), **quiet)
    messages = bm25s.tokenize([question.message for question in questions], **quiet)
    found, _ = engine.retrieve(messages, k=DEPTH, **quiet)
    return measures(questions, [[entries[row].id for row in rows] for rows in found])


def _measured(references: References, questions: list[JudgedQuestion]) -> Floats:
    found = [references.search(question.message, DEPTH) for question in questions]
    return measures(questions, [[reference.id for reference in each] for each in found])


def _cross_validated(tried: Floats) -> Floats:
    """Return the mean avgScore and nDCG@10 of questions by weights that were chosen without them.

    `tried` is float64 (settings, questions, 4).
    """
    scores = tried[:, :, 0] / 3 + np.nan_to_num(tried[:, :, 1])
    held_out: list[Floats] = []
    random = np.random.default_rng(17)
    for _ in range(_ROUNDS):
        for fold in np.array_split(random.permutation(tried.shape[1]), _FOLDS):
            others = np.delete(scores, fold, axis=1)
            held_out.extend(tried[np.argmax(others.mean(1)), fold, :2])
    return np.asarray(np.nanmean(held_out, axis=0))
