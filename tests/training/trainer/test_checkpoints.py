"""A run goes on from the newest checkpoint that was written to its end."""

from pathlib import Path

import pytest

from training.errors import TrainingError
from training.trainer.checkpoints import (
    checkpoints_of,
    has_checkpoint,
    last_checkpoint,
    newest_checkpoint,
)


def _checkpoint(work: Path, step: int, state: str | None) -> Path:
    directory = work / f"checkpoint-{step}"
    directory.mkdir(parents=True)
    (directory / "model.safetensors").write_bytes(b"weights")
    if state is not None:
        (directory / "trainer_state.json").write_text(state)
    return directory


@pytest.mark.parametrize("half", [None, "", '{"global_step": 1'])
def test_a_half_written_checkpoint_is_passed_over(tmp_path: Path, half: str | None) -> None:
    work = checkpoints_of(tmp_path / "model")
    _checkpoint(work, 900, "{}")
    whole = _checkpoint(work, 1000, "{}")
    _checkpoint(work, 1100, half)
    assert newest_checkpoint(work) == last_checkpoint(work) == str(whole)
    assert has_checkpoint(work)


def test_without_a_whole_one_there_is_nothing_to_resume(tmp_path: Path) -> None:
    assert not has_checkpoint(tmp_path / "nowhere")
    _checkpoint(tmp_path, 5, None)
    assert not has_checkpoint(tmp_path)
    with pytest.raises(TrainingError, match="nothing to resume"):
        last_checkpoint(tmp_path)
