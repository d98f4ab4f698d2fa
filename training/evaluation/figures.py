"""The work of all systems on a split becomes figures: with intervals, differences, and by kind.

Every value is a number or None, as JSON has no other. Knows nothing about models or pages.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from training.evaluation.metrics import METRICS, difference, measure
from training.evaluation.questions import Questions
from training.evaluation.scores import distinct_2
from training.evaluation.systems import Sheet

KINDS = ("QuestionType", "Source")
BY_KIND = {
    "bits_per_byte": ("base", "fine_tuned"),
    "rouge_l": ("fine_tuned", "nearest", "canned"),
}
"""The metrics that are shown by type and source, and the systems that have them everywhere."""
_COMPARED = ("bits_per_byte", "rouge_1", "rouge_2", "rouge_l", "bleu", "token_f1")
_AGAINST = ("base", "nearest", "canned")


def figures(split: Questions, sheets: Mapping[str, Sheet]) -> dict[str, Any]:
    """Return a split's figures.

    `differences` are the fine-tuned model's value minus another system's, on the questions that
    both answered.
    """
    return {
        "rows": len(split.rows),
        "questions": len(split.asked),
        "groups": int(split.rows["GroupId"].nunique()),
        "several_answers": sum(len(question.references) > 1 for question in split.asked),
        "trained_share": split.trained_share,
        "systems": {
            name: _measured(sheet, sheets["base"].counted) for name, sheet in sheets.items()
        },
        "differences": {
            name: _differences(sheets["fine_tuned"], sheets[name]) for name in _AGAINST
        },
        "by": {kind: _by_kind(kind, sheets) for kind in KINDS},
    }


def _measured(sheet: Sheet, common: Sequence[int]) -> dict[str, Any]:
    """Return a system's metrics; distinct-2, which falls with every answer, on common questions."""
    found: dict[str, Any] = {"answers": len(sheet.counted)}
    for name, metric in METRICS.items():
        if (sums := sheet.sums(metric)) is not None:
            found[name] = measure(metric, sums, sums["Group"])
    texts = [sheet.answers[place].text for place in common]
    return found | {"distinct_2": {"value": distinct_2(texts), "low": None, "high": None}}


def _differences(ours: Sheet, theirs: Sheet) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name in _COMPARED:
        left, right = ours.sums(METRICS[name]), theirs.sums(METRICS[name])
        if left is not None and right is not None:
            found[name] = difference(METRICS[name], left, right, left["Group"])
    return found


def _by_kind(kind: str, sheets: Mapping[str, Sheet]) -> dict[str, Any]:
    """Return each type's or source's questions and the values of `BY_KIND`, most asked first."""
    asked = sheets["fine_tuned"].scores[kind].value_counts()
    return {
        str(value): {"questions": int(asked[value])}
        | {
            metric: {name: _value(metric, sheets[name], kind, value) for name in systems}
            for metric, systems in BY_KIND.items()
        }
        for value in sorted(asked.index, key=lambda value: (-asked[value], value))
    }


def _value(metric: str, sheet: Sheet, kind: str, value: object) -> float:
    sums = sheet.sums(METRICS[metric])
    assert sums is not None, "these systems have this metric for every question"
    totals = sums.loc[sums[kind] == value, list(METRICS[metric].sums)].sum()
    return METRICS[metric].of(totals.to_numpy(dtype=float))
