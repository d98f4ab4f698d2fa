"""The README's first table: what the demo pair's service answers, held to what is published.

From what `training evaluate-served` left beside the model.
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any

import pandas as pd

from app.model_sources import DEMO
from training.evaluation.metrics import METRICS
from training.report.tables import markdown, with_interval

SERVED_FILE = DEMO / "fine-tuned" / "served.json"
_SYSTEMS = {
    "reading": "Fine-tuned, reading",
    "closed_book": "Fine-tuned alone",
    "published": "First published text",
}
_TOPICS = {"train": "trained topics", "test_unseen": "unseen topics"}


def served_results() -> str:
    """Return the table of facts and of ROUGE-L, as Markdown."""
    figures = json.loads(SERVED_FILE.read_text(encoding="utf-8"))
    return markdown(pd.DataFrame(_rows(figures), columns=["", *_SYSTEMS.values()]))


def _rows(figures: Mapping[str, Any]) -> Iterator[list[str]]:
    for kind, splits in figures["facts"].items():
        for split, found in splits.items():
            name = f"Right {kind}, {_TOPICS[split]} ({found['questions']})"
            yield [name, *(_shown(found[system]["right"], "end_rate") for system in _SYSTEMS)]
    for split, name in (("test_unseen", "unseen topics"), ("liveqa", "LiveQA's messages")):
        found = figures[split]
        values = (_shown(found["rouge_l"][system], "rouge_l") for system in _SYSTEMS)
        yield [f"ROUGE-L, {name} ({found['questions']})", *values]


def _shown(value: Mapping[str, float | None], metric: str) -> str:
    return with_interval(METRICS[metric], value)
