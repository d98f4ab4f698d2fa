"""The samples follow their rule."""

from itertools import pairwise

import pandas as pd

from training.evaluation.questions import Question
from training.evaluation.samples import chosen

ASKED = [Question(f"{number:02d}?", ("Yes.",), "g", "information", "NIH") for number in range(40)]


def test_the_worst_five_then_even_ranks_up_to_the_best() -> None:
    scores = pd.DataFrame({"rouge_l": [(number * 7) % 40 / 40 for number in range(40)]})
    ranks = [int(scores["rouge_l"][place] * 40) for place in chosen(ASKED, scores, 20)]
    assert ranks[:5] == [0, 1, 2, 3, 4]
    assert ranks == sorted(set(ranks))
    assert len(ranks) == 20
    assert ranks[-1] == 39
    gaps = {right - left for left, right in pairwise(ranks[5:])}
    assert gaps <= {2, 3}


def test_equal_scores_are_told_apart_by_the_question() -> None:
    scores = pd.DataFrame({"rouge_l": [0.5] * 40})
    assert chosen(ASKED, scores, 5) == [0, 1, 2, 3, 4]
    assert chosen(ASKED[::-1], scores, 5) == [39, 38, 37, 36, 35]


def test_of_few_questions_all_are_shown() -> None:
    assert len(chosen(ASKED[:3], pd.DataFrame({"rouge_l": [0.3, 0.1, 0.2]}), 20)) == 3
    assert chosen(ASKED, pd.DataFrame({"rouge_l": [0.0] * 40}), 0) == []
