"""A model directory appears whole or not at all, and others may read it."""

import errno
import json
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedTokenizerBase

from training.errors import TrainingError
from training.trainer.saving import save_model


@pytest.fixture
def model(pair: Path) -> Any:
    return AutoModelForCausalLM.from_pretrained(pair / "fine-tuned")


def contents(directory: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in directory.iterdir()}


def test_it_replaces_a_whole_directory(
    model: Any, tokenizer: PreTrainedTokenizerBase, tmp_path: Path
) -> None:
    out = tmp_path / "models" / "new"
    save_model(model, tokenizer, out, torch.float32, {"old.json": "{}"})
    model.config.use_cache = False  # as the Trainer leaves it
    save_model(model, tokenizer, out, torch.bfloat16, {"training.json": "{}"})
    assert [entry.name for entry in out.parent.iterdir()] == ["new"]
    assert not (out / "old.json").exists()
    assert (out / "training.json").read_text() == "{}"
    saved = AutoModelForCausalLM.from_pretrained(out)
    assert saved.dtype == torch.bfloat16
    assert saved.config.use_cache
    assert model.dtype == torch.float32
    assert AutoTokenizer.from_pretrained(out).chat_template == tokenizer.chat_template
    assert json.loads((out / "config.json").read_text())["dtype"] == "bfloat16"


def test_a_server_under_another_user_can_read_it(
    model: Any, tokenizer: PreTrainedTokenizerBase, tmp_path: Path
) -> None:
    out = tmp_path / "new"
    save_model(model, tokenizer, out, torch.float32)
    assert out.stat().st_mode & 0o777 == 0o755
    assert {file.stat().st_mode & 0o777 for file in out.iterdir()} == {0o644}
    assert (out / "model.safetensors").is_file()


@pytest.mark.parametrize("before", [True, False])
@pytest.mark.parametrize(
    ("failure", "told_as"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), TrainingError),
        (RuntimeError("safetensors: I/O error"), TrainingError),
        (KeyboardInterrupt(), KeyboardInterrupt),
    ],
)
def test_a_failed_save_leaves_the_old_directory_or_none(
    model: Any,
    tokenizer: PreTrainedTokenizerBase,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    before: bool,
    failure: BaseException,
    told_as: type[BaseException],
) -> None:
    out = tmp_path / "models" / "new"
    if before:
        save_model(model, tokenizer, out, torch.float32)
    old = contents(out) if before else {}

    def fail(*_: object, **__: object) -> None:
        raise failure

    monkeypatch.setattr(tokenizer, "save_pretrained", fail)
    with pytest.raises(told_as) as caught:
        save_model(model, tokenizer, out, torch.bfloat16)
    if told_as is TrainingError:
        assert str(caught.value) == f"{out}: the model could not be saved: {failure}"
    assert [entry.name for entry in out.parent.iterdir()] == (["new"] if before else [])
    assert (contents(out) if before else {}) == old


def test_a_disk_that_fills_up_leaves_nothing_that_looks_whole(
    model: Any,
    tokenizer: PreTrainedTokenizerBase,
    tmp_path: Path,
    full_disk: AbstractContextManager[None],
) -> None:
    out = tmp_path / "models" / "new"
    with full_disk, pytest.raises(TrainingError, match=r"new: the model could not be saved"):
        save_model(model, tokenizer, out, torch.float32)
    assert list(out.parent.iterdir()) == []


def test_a_place_that_cannot_be_written_is_named(
    model: Any, tokenizer: PreTrainedTokenizerBase, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(TrainingError, match=r"file/new: the model could not be saved"):
        save_model(model, tokenizer, tmp_path / "file" / "new", torch.float32)


def test_a_file_is_never_replaced(
    model: Any, tokenizer: PreTrainedTokenizerBase, tmp_path: Path
) -> None:
    (tmp_path / "new").write_text("in the way")
    with pytest.raises(TrainingError, match="no model directory"):
        save_model(model, tokenizer, tmp_path / "new", torch.float32)
    assert (tmp_path / "new").read_text() == "in the way"
