"""What fine-tuning cannot do is told in one line, and leaves no half model."""

import shutil
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
import yaml

from tests.training.test_finetune import recipe
from training.__main__ import main
from training.errors import DataError, TrainingError
from training.finetune import finetune
from training.trainer.base_model import load_base
from training.trainer.checkpoints import checkpoints_of, has_checkpoint


def test_a_full_disk_stops_the_run_by_name_and_leaves_no_model(
    pair: Path, data: Path, tmp_path: Path, full_disk: AbstractContextManager[None]
) -> None:
    with full_disk, pytest.raises(TrainingError, match=r"step \d+: no checkpoint could be written"):
        finetune(recipe(2), data, str(pair / "base"), tmp_path / "new")
    assert not (tmp_path / "new").exists()
    assert not has_checkpoint(checkpoints_of(tmp_path / "new"))


def test_nothing_to_resume_is_said(pair: Path, data: Path, tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="nothing to resume"):
        finetune(recipe(1), data, str(pair / "base"), tmp_path / "new", resume=True)


def test_a_loss_that_is_no_number_stops_the_run_with_step_and_batch(
    pair: Path, data: Path, tmp_path: Path
) -> None:
    with pytest.raises(TrainingError, match=r"step \d+: the loss is nan .* begins '<question>"):
        finetune(recipe(40, learning_rate=1e30), data, str(pair / "base"), tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_mistakes_are_told(
    pair: Path, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "recipe.yaml"
    file.write_text(yaml.safe_dump(recipe(1).model_dump()))
    arguments = ["finetune", "--recipe", str(file), "--out", str(tmp_path / "out")]
    missing = ["--data", str(tmp_path), "--base", str(pair / "base")]
    assert main(arguments + missing) == 2
    assert "medquad.csv is missing" in capsys.readouterr().err
    assert main([*arguments, "--data", str(data), "--base", str(tmp_path / "nowhere")]) == 2
    assert "nowhere" in capsys.readouterr().err


@pytest.mark.parametrize("missing", ["tokenizer.json", "model.safetensors"])
def test_half_a_base_is_refused(pair: Path, tmp_path: Path, missing: str) -> None:
    half = tmp_path / "half"
    shutil.copytree(pair / "base", half)
    (half / missing).unlink()
    with pytest.raises(TrainingError, match="half"):
        load_base(str(half), None, dropout=0.0)


def test_a_base_with_another_tokenizer_is_refused(pair: Path, broken: Path) -> None:
    shutil.copy(pair / "base" / "model.safetensors", broken)
    shutil.copy(pair / "base" / "config.json", broken)
    with pytest.raises(TrainingError, match="its tokenizer has"):
        load_base(str(broken), None, dropout=0.0)


def test_a_directory_of_other_things_is_never_replaced(
    pair: Path, data: Path, tmp_path: Path
) -> None:
    letters = tmp_path / "letters"
    letters.mkdir()
    (letters / "letter.txt").write_text("Dear Ada")
    with pytest.raises(TrainingError, match="no model directory"):
        finetune(recipe(1), data, str(pair / "base"), letters)
    assert (letters / "letter.txt").read_text() == "Dear Ada"


def test_a_table_without_columns_is_refused(pair: Path, tmp_path: Path) -> None:
    (tmp_path / "medquad.csv").write_text("Question,Answer\na,b\n")
    with pytest.raises(DataError, match="lacks the columns"):
        finetune(recipe(1), tmp_path, str(pair / "base"), tmp_path / "new")


def test_a_limit_that_nothing_fits_is_told(
    pair: Path, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["finetune", "--max-tokens", "8", "--data", str(data), "--base"]
    assert main([*arguments, str(pair / "base"), "--out", str(tmp_path / "new")]) == 2
    assert "fits in 8 tokens" in capsys.readouterr().err
