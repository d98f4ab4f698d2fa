"""Sums of one answer, with values worked out by hand."""

import pytest

from training.evaluation.longest_span import TrainingText
from training.evaluation.scores import Answer, distinct_2, repeated_share, score

TRAINING = TrainingText(["the airways are narrow"])


def test_values_by_hand() -> None:
    sums = score(Answer("the airways are wide", True), ["The airways are narrow."], TRAINING)
    assert sums["rouge_1"] == pytest.approx(3 / 4)
    assert sums["rouge_2"] == pytest.approx(2 / 3)
    assert sums["rouge_l"] == pytest.approx(3 / 4)
    assert sums["token_f1"] == pytest.approx(2 / 3)  # without "the"
    assert sums["copied"] == pytest.approx(3 / 4)
    assert sums["copied_words"] == 3
    assert (sums["answers"], sums["ended"]) == (1, 1)
    assert (sums["answer_tokens"], sums["reference_tokens"]) == (4, 5)  # "." is one, for BLEU
    assert [sums[f"bleu_matches_{order}"] for order in range(1, 5)] == [2, 1, 0, 0]  # "The"
    assert [sums[f"bleu_grams_{order}"] for order in range(1, 5)] == [4, 3, 2, 1]


def test_of_several_references_the_nearest_counts() -> None:
    answer = Answer("insulin and diet")
    alone = score(answer, ["insulin and diet"], TRAINING)
    beside = score(answer, ["a stroke of the brain", "insulin and diet"], TRAINING)
    assert beside["rouge_l"] == alone["rouge_l"] == 1
    assert beside["token_f1"] == 1
    assert beside["reference_tokens"] == 3
    assert "ended" not in beside


@pytest.mark.parametrize(
    ("text", "share"),
    [("a b c d e f", 0), ("a b c d a b c d", 1 / 5), ("x " * 8, 4 / 5), ("a b c", 0), ("", 0)],
)
def test_repeated_4_grams(text: str, share: float) -> None:
    assert repeated_share(text) == pytest.approx(share)


def test_an_answer_that_runs_in_circles_repeats_itself() -> None:
    reference = ["the cause is not known"]
    assert score(Answer("the body and " * 9), reference, TRAINING)["repeating"] == 1
    assert score(Answer("a b c d e f g a b c d h i j k"), reference, TRAINING)["repeating"] == 0


def test_distinct_pairs_over_all_answers() -> None:
    assert distinct_2(["a b c", "a b d"]) == pytest.approx(3 / 4)
    assert distinct_2(["a b c"] * 10) == pytest.approx(2 / 20)
    assert distinct_2(["", "a"]) == 0


def test_an_empty_answer_scores_nothing() -> None:
    sums = score(Answer("", True), ["Something."], TRAINING)
    assert {sums[name] for name in ("rouge_1", "rouge_l", "token_f1", "copied", "repeated")} == {0}
