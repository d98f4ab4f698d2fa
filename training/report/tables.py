"""Figures as tables that a person reads, for the report and the model card alike.

Knows nothing about pages.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from training.evaluation.metrics import TITLES, Metric
from training.evaluation.systems import SYSTEMS

NOTHING = "—"
_TIE = "\u00a0"  # a space at which no line is broken
SPLITS = {
    "test_unseen": "Test, topics never seen",
    "test_seen": "Test, frequent topics",
    "valid_unseen": "Validation, topics never seen",
    "valid_seen": "Validation, frequent topics",
    "random": "Random rows (leaky)",
}


def systems_table(
    split: Mapping[str, Any], systems: Sequence[str], metrics: Sequence[str]
) -> pd.DataFrame:
    """Return a row for each metric and a column for each of the systems that the split has."""
    found = split["systems"]
    shown = [name for name in systems if name in found]
    return pd.DataFrame(
        [
            [TITLES[metric].title + _arrow(TITLES[metric])]
            + [with_interval(TITLES[metric], found[name].get(metric)) for name in shown]
            for metric in metrics
        ],
        columns=["Metric", *(SYSTEMS[name] for name in shown)],
    )


def splits_table(splits: Mapping[str, Any], system: str, metrics: Sequence[str]) -> pd.DataFrame:
    """Return a row for each split with one system's metrics."""
    return pd.DataFrame(
        [
            [SPLITS[name], split["systems"][system]["answers"]]
            + [
                with_interval(TITLES[metric], split["systems"][system].get(metric))
                for metric in metrics
            ]
            for name, split in splits.items()
        ],
        columns=["Split", "Questions", *(TITLES[metric].title for metric in metrics)],
    )


def differences_table(split: Mapping[str, Any]) -> pd.DataFrame:
    """Return the fine-tuned model's distance to each other system."""
    found = split["differences"]
    metrics = [name for name in TITLES if any(name in other for other in found.values())]
    return pd.DataFrame(
        [
            [TITLES[metric].title + _arrow(TITLES[metric])]
            + [with_interval(TITLES[metric], other.get(metric), "+") for other in found.values()]
            for metric in metrics
        ],
        columns=["Fine-tuned minus", *(SYSTEMS[name] for name in found)],
    )


def markdown(table: pd.DataFrame) -> str:
    """Return a table in Markdown; no value may hold a vertical bar."""
    rows = [table.columns.tolist(), ["---"] * len(table.columns), *table.to_numpy().tolist()]
    return "\n".join(f"| {' | '.join(map(str, row))} |" for row in rows)


def with_interval(metric: Metric, measured: Mapping[str, Any] | None, sign: str = "") -> str:
    """Return a value with its interval; `sign` "+" shows a plus, as differences need it."""
    if measured is None or measured["value"] is None:
        return NOTHING
    value, low, high = (number(metric, measured[end], sign) for end in ("value", "low", "high"))
    return value if measured["low"] is None else f"{value} ({low}{_TIE}…{_TIE}{high})"


def number(metric: Metric, value: float | None, sign: str = "") -> str:
    """Return one value as a person reads it."""
    if value is None:
        return NOTHING
    return metric.number.replace("{:", f"{{:{sign}").format(value).replace("-", "\u2212")


def verdict(metric: Metric, measured: Mapping[str, Any]) -> str:
    """Say whether a difference is for the better, worse, or not to be told from nothing."""
    low, high = measured["low"], measured["high"]
    if low is None or high is None or low <= 0 <= high:
        return "not to be told apart"
    return "better" if (high < 0) == bool(metric.less_is_better) else "worse"


def _arrow(metric: Metric) -> str:
    """Return which way is better."""
    return {True: " ↓", False: " ↑", None: ""}[metric.less_is_better]
