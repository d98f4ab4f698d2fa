"""Files that no library should read: told by name before one tries, by every command."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from tests.training.test_pretrained import Change, base, fields, weights
from training.errors import TrainingError
from training.evaluation.loaded_model import load
from training.trainer.base_model import load_base

__all__ = ["base"]


def coded(kind: torch.dtype) -> Change:
    name = "transformer.h.0.mlp.c_fc.weight"
    return weights(lambda found: found | {name: found[name].to(kind)})


def pickled(directory: Path) -> None:
    (directory / "model.safetensors").rename(directory / "pytorch_model.bin")


def piped(directory: Path) -> None:
    (directory / "tokenizer.json").unlink()
    os.mkfifo(directory / "tokenizer.json")


def with_code(directory: Path) -> None:
    code = {"AutoConfig": "theirs.Config", "AutoModelForCausalLM": "theirs.Model"}
    fields("config.json", model_type="theirs", auto_map=code)(directory)
    (directory / "theirs.py").write_text("raise SystemExit('it ran')")


BROKEN = {
    "int8": (coded(torch.int8), r"stored as I8 \(transformer.h.0.mlp.c_fc.weight\); give a model"),
    "float8": (coded(torch.float8_e4m3fn), "stored as F8_E4M3 .*give a model in float32"),
    "switches": (coded(torch.bool), "stored as BOOL"),
    "pickled": (pickled, r"pickled \(pytorch_model.bin\).*convert to safetensors"),
    "pipe": (piped, r"tokenizer\.json cannot be read: it is no file"),
    "code": (with_code, r"config\.json cannot be read .*custom code"),
}


@pytest.mark.parametrize(("change", "message"), BROKEN.values(), ids=BROKEN)
def test_what_is_damaged_is_told_before_it_is_read(
    base: Path, change: Change, message: str
) -> None:
    change(base)
    commands: list[Callable[[], object]] = [
        lambda: load_base(str(base), None, 0.0),
        lambda: load(str(base)),
    ]
    for read in commands:
        with pytest.raises(TrainingError, match=message) as caught:
            read()
        assert str(base) in str(caught.value)
        assert "\n" not in str(caught.value)


def test_masks_of_early_versions_may_be_of_any_kind(base: Path) -> None:
    masked = {"transformer.h.0.attn.bias": torch.ones(1, 1, 4, 4, dtype=torch.bool)}
    weights(lambda found: found | masked)(base)
    load_base(str(base), None, 0.0)
