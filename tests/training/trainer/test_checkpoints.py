"""A run goes on from the newest checkpoint that was written to its end."""

from pathlib import Path

import pytest

from training.errors import TrainingError
from training.trainer.checkpoints import (
    begin,
    checkpoints_of,
    has_checkpoint,
    last_checkpoint,
    newest_checkpoint,
    resumed,
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


PLAN = {"recipe": {"seed": 1, "reading": {"rows": 8}}, "base": "base"}


def test_a_run_is_resumed_by_the_plan_that_it_began_with(tmp_path: Path) -> None:
    work = checkpoints_of(tmp_path / "model")
    _checkpoint(work, 7, "{}")
    begin(work, PLAN)
    assert not has_checkpoint(work), "a new run goes on from nothing"
    whole = _checkpoint(work, 5, "{}")
    assert resumed(work, PLAN) == str(whole)


@pytest.mark.parametrize(
    ("other", "told"),
    [
        ({"recipe": {"seed": 2, "reading": {"rows": 8}}, "base": "base"}, "recipe.seed 1, not 2"),
        (
            {"recipe": {"seed": 1, "reading": {"rows": 9}}, "base": "base"},
            "recipe.reading.rows 8, not 9",
        ),
        ({"recipe": {"seed": 1, "reading": None}, "base": "base"}, "recipe.reading .*, not None"),
        (PLAN | {"base": "another"}, "base 'base', not 'another'"),
    ],
)
def test_another_plan_is_refused_by_the_first_difference(
    tmp_path: Path, other: dict[str, object], told: str
) -> None:
    begin(tmp_path / "work", PLAN)
    _checkpoint(tmp_path / "work", 5, "{}")
    with pytest.raises(TrainingError, match=f"was begun with {told}: resume it with the same"):
        resumed(tmp_path / "work", other)


def test_checkpoints_that_do_not_say_their_plan_are_refused(tmp_path: Path) -> None:
    _checkpoint(tmp_path, 5, "{}")
    with pytest.raises(TrainingError, match="does not say by which recipe"):
        resumed(tmp_path, PLAN)
