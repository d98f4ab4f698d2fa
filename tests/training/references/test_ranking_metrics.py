"""The measures of a ranking, by hand-counted examples."""

import json
import math
from pathlib import Path

import numpy as np
import pytest

from training.errors import DataError
from training.references.ranking_metrics import JudgedQuestion, measures, read_judged, summary


def test_a_perfect_ranking_and_an_empty_one() -> None:
    question = JudgedQuestion("?", {"a": 3, "b": 1, "c": 0})
    assert measures([question], [["a", "b", "c"]]).tolist() == [[3.0, 1.0, 1.0, 1.0]]
    assert measures([question], [[]]).tolist() == [[0.0, 0.0, 0.0, 0.0]]


def test_what_was_not_judged_scores_nothing() -> None:
    question = JudgedQuestion("?", {"a": 2})
    first, ndcg, precision, reciprocal = measures([question], [["x", "a"]])[0].tolist()
    assert first == 0.0
    assert ndcg == pytest.approx(1 / math.log2(3))
    assert precision == reciprocal == 0.5


def test_a_question_without_judgments_counts_for_the_first_measure_alone() -> None:
    questions = [JudgedQuestion("?", {"a": 3}), JudgedQuestion("!", {})]
    found = summary(measures(questions, [["a"], ["a"]]), resamples=100)
    assert found["avg_score"]["mean"] == 1.5
    assert found["ndcg_10"]["mean"] == 1.0


def test_two_judgments_of_one_answer_give_the_higher(tmp_path: Path) -> None:
    judged = [
        {"collection": "c", "file": "f.xml", "question_id": "1", "score_max": score}
        for score in (1, 3, 2)
    ]
    path = tmp_path / "questions.jsonl"
    path.write_text(json.dumps({"subject": "Ear Wax.", "message": "how?", "judged": judged}))
    assert read_judged(path) == [JudgedQuestion("Ear Wax. how?", {"c/f.xml#1": 3})]


@pytest.mark.parametrize("text", ["{", "[]", '{"subject": "a"}'])
def test_a_file_of_something_else_is_named(tmp_path: Path, text: str) -> None:
    path = tmp_path / "questions.jsonl"
    path.write_text(text)
    with pytest.raises(DataError, match=r"questions\.jsonl"):
        read_judged(path)


def test_the_interval_holds_the_mean() -> None:
    values = np.random.default_rng(1).random((50, 4))
    for found in summary(values, resamples=500).values():
        assert found["low"] < found["mean"] < found["high"]
