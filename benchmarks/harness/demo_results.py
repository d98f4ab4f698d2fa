"""The README's results of the demo pair, from what `training evaluate` left beside the model.

Values are shown as the model's own card shows them.
"""

import json
from collections.abc import Mapping
from typing import Any

from app.model_sources import DEMO
from training.evaluation.metrics import METRICS
from training.report.tables import SPLITS, markdown, systems_table, with_interval

METRICS_FILE = DEMO / "fine-tuned" / "metrics.json"
_NEW, _KNOWN = "test_unseen", "test_seen"
_SYSTEMS = ("base", "fine_tuned", "nearest", "canned")
_SHOWN = ("bits_per_byte", "end_rate", "rouge_l", "token_f1")
_ROUGE = METRICS["rouge_l"]


def demo_results() -> str:
    """Return the table of topics never seen and what the baselines make of both, as Markdown."""
    figures = json.loads(METRICS_FILE.read_text(encoding="utf-8"))
    splits = figures["splits"]
    size = f"The demo pair, {figures['parameters']['fine_tuned'] / 1e6:.0f}M parameters. "
    table = markdown(systems_table(splits[_NEW], _SYSTEMS, _SHOWN))
    said = f"{_differences(splits)} {_guard(splits[_NEW])}"
    return "\n\n".join([size + _asked(_NEW, splits[_NEW]), table, said])


def _asked(name: str, split: Mapping[str, Any]) -> str:
    return (
        f"{SPLITS[name]} (`{name}`): {split['questions']} questions of {split['groups']} topics; "
        "in brackets 95% intervals over topics."
    )


def _differences(splits: Mapping[str, Any]) -> str:
    new, known = (
        {
            system: with_interval(_ROUGE, splits[name]["differences"][system]["rouge_l"], "+")
            for system in ("nearest", "canned")
        }
        for name in (_NEW, _KNOWN)
    )
    return (
        f"ROUGE-L, fine-tuned minus the nearest training answer: {new['nearest']} on new topics, "
        f"{known['nearest']} on known ones; minus the canned answer: {new['canned']} and "
        f"{known['canned']}."
    )


def _guard(split: Mapping[str, Any]) -> str:
    ended = split["systems"]["unguarded"]["end_rate"]
    return (
        f"Without the guard against repetition {with_interval(METRICS['end_rate'], ended)} of the "
        "fine-tuned model's answers would end by themselves."
    )
