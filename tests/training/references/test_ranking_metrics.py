"""The measures of a ranking, by hand-counted examples."""

import json
import math
import random
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


def by_the_formulas(scores: dict[str, int], ranking: list[str]) -> list[float]:
    """nDCG (Burges et al. 2005), MAP and MRR of the first ten, written out."""
    gains = [scores.get(key, 0) for key in ranking[:10]]

    def discounted(some: list[int]) -> float:
        return math.fsum((2**gain - 1) / math.log2(place + 1) for place, gain in enumerate(some, 1))

    best = discounted(sorted(scores.values(), reverse=True)[:10])
    places = [place for place, gain in enumerate(gains, 1) if gain >= 2]
    relevant = min(10, sum(score >= 2 for score in scores.values()))
    precisions = sum(found / place for found, place in enumerate(places, 1))
    return [
        discounted(gains) / best if best else 0.0,
        precisions / relevant if relevant else 0.0,
        1 / places[0] if places else 0.0,
    ]


@pytest.mark.parametrize("seed", range(10))
def test_the_measures_are_those_of_the_formulas(seed: int) -> None:
    chance = random.Random(seed)
    keys = [f"c/{number}.xml#1" for number in range(60)]
    questions, rankings = [], []
    for _ in range(20):
        judged = chance.sample(keys, chance.randrange(1, 50))
        worst = chance.choice([0, 0, 3])
        questions.append(
            JudgedQuestion("?", {key: chance.randint(0, 3) or worst for key in judged})
        )
        rankings.append(chance.sample(keys, chance.randrange(40)))
    expected = [
        by_the_formulas(dict(question.scores), ranking)
        for question, ranking in zip(questions, rankings, strict=True)
    ]
    np.testing.assert_allclose(measures(questions, rankings)[:, 1:], expected, atol=1e-12)


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


@pytest.mark.parametrize(
    "text", ["{", "[]", '{"subject": "a"}', '{"subject": "a", "message": "b", "judged": 3}']
)
def test_a_file_of_something_else_is_named(tmp_path: Path, text: str) -> None:
    path = tmp_path / "questions.jsonl"
    path.write_text(text)
    with pytest.raises(DataError, match=r"questions\.jsonl"):
        read_judged(path)


def test_the_interval_holds_the_mean() -> None:
    values = np.random.default_rng(1).random((50, 4))
    for found in summary(values, resamples=500).values():
        assert found["low"] < found["mean"] < found["high"]
