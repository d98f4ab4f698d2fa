"""Where a run keeps its checkpoints, and which of them it can go on from."""

import json
from pathlib import Path

from transformers.trainer import TRAINER_STATE_NAME

from training.errors import TrainingError


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


def _step(checkpoint: str) -> int:
    return int(checkpoint.rpartition("-")[2])


def _reads(state: Path) -> bool:
    """Return whether Trainer's state, which it writes last, is whole."""
    try:
        json.loads(state.read_text(encoding="utf-8"))
    except ValueError:
        return False
    return True
