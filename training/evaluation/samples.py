"""Questions shown side by side, chosen by rule, so that nobody picks the good ones.

Knows nothing about pages.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from training.evaluation.questions import Question
from training.evaluation.systems import Sheet

WORST = 5
RULE = (
    f"the {WORST} answers of the fine-tuned model with the lowest ROUGE-L, then others at even "
    "distances in that order, up to the best."
)
_SHOWN = ["rouge_l", "token_f1", "repeated", "copied"]


def chosen(asked: Sequence[Question], scores: pd.DataFrame, number: int) -> list[int]:
    """Return the places of so many questions, worst first.

    Args:
        asked: the questions.
        scores: a row for each of them, by place, with `rouge_l`.
        number: how many; fewer if fewer were asked.
    """
    likeness = scores["rouge_l"].to_dict()
    ranked = sorted(range(len(asked)), key=lambda place: (likeness[place], asked[place].text))
    if number >= len(ranked):
        return ranked
    worst, others = ranked[: min(WORST, number)], ranked[WORST:]
    wanted = number - len(worst)
    return worst + [others[(step + 1) * len(others) // wanted - 1] for step in range(wanted)]


def sample(question: Question, place: int, sheets: Mapping[str, Sheet]) -> dict[str, Any]:
    """Return a question with its published answers and every system's that answered it."""
    return {
        "question": question.text,
        "type": question.type,
        "source": question.source,
        "published": list(question.references),
        "answers": {
            name: {"text": sheet.answers[place].text, "ended": sheet.answers[place].ended}
            | sheet.scores.loc[place, _SHOWN].astype(float).to_dict()
            for name, sheet in sheets.items()
            if place in sheet.answers
        },
    }
