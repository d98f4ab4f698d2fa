"""The report's drawn sections: learning curves, and bars by question type and source.

Knows nothing about how anything was measured.
"""

from collections.abc import Mapping
from functools import partial
from typing import Any

from training.evaluation.metrics import METRICS
from training.evaluation.systems import SYSTEMS
from training.report import plots
from training.report.learning_curves import Log, best, learning_curves
from training.report.page import Plot, Section, drawn
from training.report.plots import BLUE, ORANGE, RED
from training.report.tables import SPLITS

_COLOURS = {"base": ORANGE, "fine_tuned": BLUE, "nearest": ORANGE, "canned": RED}
_KINDS = {"QuestionType": "question type", "Source": "source"}


def curves(logs: Mapping[str, Log]) -> Section:
    """Return the section of learning curves: Trainer's logs by their titles."""
    shown = []
    for place, (title, log) in enumerate(logs.items()):
        lowest = best(log)
        says = f"Lowest validation loss {lowest[1]:.3f} at update {lowest[0]:,}." if lowest else ""
        shown.append(drawn(f"curve-{place}", partial(learning_curves, title, log), says))
    return Section(
        "curves",
        "Learning curves",
        "Loss in nats per token, over the updates that were made. Losses of different data or "
        "vocabularies cannot be compared with each other.",
        shown,
        [],
    )


def by_kind(name: str, split: Mapping[str, Any]) -> Section:
    """Return the section of bars by question type and by source, from a split's figures."""
    shown: list[Plot] = []
    for kind, said in _KINDS.items():
        found = split["by"][kind]
        labels = [f"{value or 'not given'} ({row['questions']})" for value, row in found.items()]
        for metric in ("bits_per_byte", "rouge_l"):
            systems = next(iter(found.values()))[metric]
            values: plots.Parts = {
                SYSTEMS[system]: (_COLOURS[system], [row[metric][system] for row in found.values()])
                for system in systems
            }
            title = f"{METRICS[metric].title} by {said}"
            shown.append(
                drawn(
                    f"{metric}-{kind}",
                    partial(plots.grouped_bars, title, labels, values, "{:.2f}"),
                    f"In brackets: questions. {'Less' if metric == 'bits_per_byte' else 'More'} "
                    "is better.",
                )
            )
    return Section(
        "kinds",
        "By question type and source",
        f"{SPLITS[name]}. Few questions make an uncertain bar.",
        shown,
        [],
    )
