"""What an evaluation leaves beside a model: figures, samples, report and card.

Knows nothing about how anything was measured.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from training.files import write_whole
from training.report.model_card import fine_tuned_card
from training.report.model_report import report


def publish(
    model: Path,
    base: str,
    figures: Mapping[str, Any],
    samples: Sequence[Mapping[str, Any]],
    out: Path | None = None,
) -> Path:
    """Write `metrics.json`, `samples.jsonl`, `report.html` and the card; return the report's path.

    Args:
        model: the fine-tuned directory, whose `training.json` is read.
        base: its base; where it is a directory, its `training.json` is read too.
        figures: what was measured.
        samples: the questions to show.
        out: where to write; beside the model if None.

    Raises:
        DataError: a file cannot be written.
    """
    out = out or model
    record = training_record(model)
    logs = {
        title: found["log"]
        for title, found in (
            ("Fine-tuning", record),
            ("Pre-training of the base", training_record(Path(base))),
        )
        if found.get("log")
    }
    lines = [json.dumps(sample, ensure_ascii=False, allow_nan=False) + "\n" for sample in samples]
    for name, text in {
        "metrics.json": json.dumps(figures, indent=1, allow_nan=False) + "\n",
        "samples.jsonl": "".join(lines),
        "report.html": report(figures, samples, logs),
        "README.md": fine_tuned_card(figures["model"], record, figures),
    }.items():
        write_whole(out / name, text.encode())
    return out / "report.html"


def training_record(directory: Path) -> dict[str, Any]:
    """Return what a model directory records of its training; nothing where there is no record."""
    try:
        record = json.loads((directory / "training.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return record if isinstance(record, dict) else {}
