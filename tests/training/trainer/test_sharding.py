"""FSDP: refused with what needs whole matrices; what was split is put together again."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM

from tests.training.test_finetune import recipe
from training.errors import TrainingError
from training.finetune import finetune
from training.trainer.distributed import check_shardable, whole_model

WHOLE: Any = SimpleNamespace(is_fsdp_enabled=False)


@pytest.mark.parametrize("fields", [{"lora": {"rank": 2, "alpha": 2}}, {"muon_learning_rate": 0.1}])
def test_what_cannot_be_split_is_named_before_there_is_a_trainer(
    pair: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fields: dict[str, Any]
) -> None:
    plan = recipe(1, **fields)
    check_shardable(plan.finetuning)
    monkeypatch.setenv("ACCELERATE_USE_FSDP", "true")  # as `accelerate launch --use_fsdp` does
    check_shardable(recipe(1).finetuning)
    with pytest.raises(TrainingError, match="do not go with FSDP"):
        finetune(plan, tmp_path / "no data", str(pair / "base"), tmp_path / "out")


def test_a_split_model_is_read_back_from_what_trainer_gathers(pair: Path, tmp_path: Path) -> None:
    model = AutoModelForCausalLM.from_pretrained(pair / "base")
    assert whole_model(WHOLE, model, tmp_path) is model
    trainer: Any = SimpleNamespace(is_fsdp_enabled=True, save_model=model.save_pretrained)
    read = whole_model(trainer, model, tmp_path)
    assert read is not model
    for name, value in model.state_dict().items():
        assert torch.equal(read.state_dict()[name], value)
