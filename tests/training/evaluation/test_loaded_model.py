"""A model is checked before it is scored, and each fault has its own words."""

import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from tests.conftest import CONTEXT_TOKENS
from training.errors import TrainingError
from training.evaluation.loaded_model import load, load_fine_tuned, shares_vocabulary


def test_a_pair_shares_its_vocabulary(pair: Path) -> None:
    base, fine_tuned = load(str(pair / "base")), load_fine_tuned(pair / "fine-tuned")
    assert shares_vocabulary(fine_tuned, base)
    assert not shares_vocabulary(base, fine_tuned)  # which has four tokens more


def test_a_question_that_fills_the_context_has_no_room(pair: Path) -> None:
    loaded = load(str(pair / "base"))
    assert loaded.has_room("Why?")
    assert not loaded.has_room("why " * CONTEXT_TOKENS)


def test_what_is_no_fine_tuned_model_is_refused(pair: Path, tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="no model directory"):
        load_fine_tuned(tmp_path / "nowhere")
    with pytest.raises(TrainingError, match="its tokenizer has no <end>"):
        load_fine_tuned(pair / "base")


def test_another_models_tokenizer_is_refused(pair: Path, tmp_path: Path) -> None:
    mixed = tmp_path / "mixed"
    shutil.copytree(pair / "base", mixed)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(pair / "fine-tuned" / name, mixed / name)
    with pytest.raises(TrainingError, match=r"tokenizer has \d+ tokens, its model embeds \d+"):
        load(str(mixed))


def test_weights_that_are_no_numbers_are_refused(broken: Path) -> None:
    weights = load_file(broken / "model.safetensors")
    weights["transformer.h.1.mlp.c_fc.bias"][3] = torch.inf
    save_file(weights, broken / "model.safetensors", {"format": "pt"})
    with pytest.raises(TrainingError, match=r"h\.1\.mlp\.c_fc\.bias is not all finite"):
        load(str(broken))


def test_damaged_weights_are_refused(broken: Path) -> None:
    (broken / "model.safetensors").write_bytes(b"no weights")
    with pytest.raises(TrainingError, match="broken"):
        load(str(broken))
