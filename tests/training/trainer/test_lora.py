"""LoRA: the base stays, the markers are learned, the result is a model directory like any other."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from pydantic import ValidationError

from app.answering.prompt_format import PromptFormat
from tests.app.conftest import loaded
from tests.training.conftest import PAIRS, write_table
from tests.training.test_finetune import recipe, weights
from training.errors import TrainingError
from training.finetune import finetune
from training.prompt import marker_ids
from training.recipe import Lora
from training.trainer.base_model import load_base
from training.trainer.lora import add_lora, merged

LORA = {"rank": 4, "alpha": 8}
MATRICES = ("attn.c_attn", "attn.c_proj", "mlp.c_fc", "mlp.c_proj")


@pytest.fixture(scope="module")
def taught(pair: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    data = write_table(tmp_path_factory.mktemp("data"), {"train": PAIRS, "valid_unseen": PAIRS})
    out = tmp_path_factory.mktemp("lora") / "model"
    plan = recipe(20, lora=LORA, gradient_checkpointing=True)
    finetune(plan, data, str(pair / "base"), out)
    return out


def test_the_layers_move_by_low_rank_and_of_the_embeddings_only_the_markers(
    pair: Path, taught: Path
) -> None:
    before, after = weights(pair / "base"), weights(taught)
    for layer in range(2):
        for matrix in MATRICES:
            name = f"transformer.h.{layer}.{matrix}.weight"
            change = after[name] - before[name]
            assert torch.linalg.matrix_rank(change, rtol=1e-4) == LORA["rank"], name
        name = f"transformer.h.{layer}.{MATRICES[0]}.bias"
        assert torch.equal(after[name], before[name])
    assert torch.equal(after["transformer.wpe.weight"], before["transformer.wpe.weight"])
    old = len(before["transformer.wte.weight"])
    rows = after["transformer.wte.weight"]
    assert torch.equal(rows[:old], before["transformer.wte.weight"])
    mean = before["transformer.wte.weight"].mean(dim=0)
    _, tokenizer = load_base(str(pair / "base"), None, dropout=0.0)
    ids = marker_ids(tokenizer)
    assert len(ids) == 4
    moved = [index for index in ids if not torch.allclose(rows[index], mean)]
    assert len(moved) >= 3, "question, answer and end; padding is never a target"
    assert torch.equal(after["lm_head.weight"], rows), "tied"


def test_it_learns_and_the_service_loads_it(taught: Path) -> None:
    log = json.loads((taught / "training.json").read_text())["log"]
    losses = [entry["eval_loss"] for entry in log if "eval_loss" in entry]
    assert losses[-1] < losses[0] - 0.5
    checkpoint = loaded(taught)
    assert PromptFormat.of_model(checkpoint).stop == "<end>"
    assert not list(taught.glob("adapter*"))


def test_merging_changes_no_output(pair: Path) -> None:
    model, tokenizer = load_base(str(pair / "base"), None, dropout=0.0)
    adapted = add_lora(model, Lora.model_validate(LORA), marker_ids(tokenizer))
    torch.manual_seed(5)
    with torch.no_grad():
        for parameter in adapted.parameters():
            if parameter.requires_grad:
                parameter += 0.1 * torch.randn_like(parameter)
    ids: Any = torch.tensor([marker_ids(tokenizer) * 3])
    adapted.eval()
    expected = adapted(input_ids=ids).logits
    torch.testing.assert_close(merged(adapted)(input_ids=ids).logits, expected)


def test_mistakes_are_told(pair: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model, tokenizer = load_base(str(pair / "base"), None, dropout=0.0)
    wrong = Lora(rank=2, alpha=2, targets=("c_attn", "q_proj"))
    with pytest.raises(TrainingError, match=r"lora\.targets: the base has no q_proj"):
        add_lora(model, wrong, marker_ids(tokenizer))
    with pytest.raises(ValidationError, match="lora needs AdamW"):
        recipe(1, lora=LORA, muon_learning_rate=1e-3)
    monkeypatch.setitem(sys.modules, "peft", None)
    with pytest.raises(TrainingError, match=r"\.\[lora\]"):
        add_lora(model, Lora.model_validate(LORA), marker_ids(tokenizer))
