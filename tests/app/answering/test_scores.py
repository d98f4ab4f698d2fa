"""Words that two texts share, counted as others count them."""

import pytest

from app.answering.scores import rouge_l, token_f1


@pytest.mark.parametrize(
    ("reference", "answer", "expected"),
    [
        ("x y z", "x y z", 1.0),
        ("x y z", "X, Y; z!", 1.0),
        ("w x y z", "w x", 2 / 3),
        ("x x x", "x", 1 / 2),
        ("x", "y", 0.0),
        ("x", "", 0.0),
    ],
)
def test_token_f1(reference: str, answer: str, expected: float) -> None:
    assert token_f1(reference, answer) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("reference", "answer", "expected"),
    [
        ("the lungs hurt", "The lungs hurt!", 1.0),
        ("a b c d", "a c d b", 3 / 4),  # in the same order only
        ("x", "y", 0.0),
        ("x", "", 0.0),
    ],
)
def test_rouge_l(reference: str, answer: str, expected: float) -> None:
    assert rouge_l(reference, answer) == pytest.approx(expected)
