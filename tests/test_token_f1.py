"""Token F1 is one formula, SQuAD's, in the service and in the evaluation."""

import pytest

from app.answering.scores import token_f1
from training.evaluation.longest_span import TrainingText
from training.evaluation.scores import Answer, score


@pytest.mark.parametrize(
    ("reference", "answer", "expected"),
    [
        ("The airways are narrow.", "the airways are wide", 2 / 3),
        ("insulin and diet", "Insulin, and diet!", 1),
        ("a drug", "drug drug", 2 / 3),
        ("beta-blocker", "beta blocker", 0),  # a hyphen goes, and what it joined stays joined
        ("beta-blocker", "betablocker", 1),
        ("What\u2019s \u201cthe\u201d cause", "what\u2019s \u201ca\u201d cause", 1),
        ("It isn't", "it isnt", 1),
        ("the", "a", 0),  # nothing is left of either
        ("?!", "?!", 0),
        ("yes", "", 0),
        ("caf\u00e9 na\u00efve", "CAF\u00c9", 2 / 3),
    ],
)
def test_both_sides_count_alike(reference: str, answer: str, expected: float) -> None:
    sums = score(Answer(answer), [reference], TrainingText([reference]))
    assert sums["token_f1"] == pytest.approx(expected)
    assert token_f1(reference, answer) == pytest.approx(expected)
