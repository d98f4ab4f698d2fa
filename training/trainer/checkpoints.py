"""Where a run keeps its checkpoints, and which of them it can go on from."""

import json
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from transformers.trainer import TRAINER_STATE_NAME

from training.errors import TrainingError

_PLAN = "plan.json"


def checkpoints_of(out: Path) -> Path:
    """Return where the checkpoints of a run that will save to `out` are kept."""
    return out.with_name(f".{out.name}-checkpoints")


def has_checkpoint(work: Path) -> bool:
    """Return whether a run that kept its checkpoints in `work` left one to resume from."""
    return newest_checkpoint(work) is not None


def newest_checkpoint(work: Path) -> str | None:
    """Return the newest checkpoint in `work` that was written to its end; None without any."""
    whole = {
        path.parent for path in work.glob(f"checkpoint-*/{TRAINER_STATE_NAME}") if _reads(path)
    }
    return max(map(str, whole), key=_step, default=None)


def last_checkpoint(work: Path) -> str:
    """Return the newest checkpoint in `work`.

    Raises:
        TrainingError: there is none to resume from.

    """
    newest = newest_checkpoint(work)
    if newest is None:
        raise TrainingError(f"nothing to resume: no checkpoint in {work}")
    return newest


def begin(work: Path, plan: Mapping[str, Any]) -> None:
    """Empty `work` for a new run, and note by which plan it goes.

    Raises:
        TrainingError: it cannot be written.

    """
    shutil.rmtree(work, ignore_errors=True)
    try:
        work.mkdir(parents=True)
        (work / _PLAN).write_text(json.dumps(plan, indent=1) + "\n", encoding="utf-8")
    except OSError as error:
        raise TrainingError(f"{work} could not be written: {error}") from error


def resumed(work: Path, plan: Mapping[str, Any]) -> str:
    """Return the newest checkpoint in `work`, made by the same plan.

    Raises:
        TrainingError: there is none, or the run went by another plan; names the first difference.

    """
    newest = last_checkpoint(work)
    try:
        begun = json.loads((work / _PLAN).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise TrainingError(f"{work} does not say by which recipe it was made: {error}") from error
    for field, before, now in _differences(begun, json.loads(json.dumps(plan))):
        raise TrainingError(
            f"{work} was begun with {field} {before!r}, not {now!r}: resume it with the same "
            "recipe, or start anew without --resume"
        )
    return newest


def _differences(before: Any, now: Any, field: str = "") -> Iterator[tuple[str, Any, Any]]:
    """Yield the dotted fields in which two plans differ."""
    if isinstance(before, dict) and isinstance(now, dict):
        for name in sorted(before.keys() | now.keys()):
            yield from _differences(before.get(name), now.get(name), f"{field}.{name}".strip("."))
    elif before != now:
        yield field, before, now


def _step(checkpoint: str) -> int:
    return int(checkpoint.rpartition("-")[2])


def _reads(state: Path) -> bool:
    """Return whether Trainer's state, which it writes last, is whole."""
    try:
        json.loads(state.read_text(encoding="utf-8"))
    except ValueError:
        return False
    return True
