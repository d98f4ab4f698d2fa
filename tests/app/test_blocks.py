"""Lean blocks compute what upstream's do: padded batches, cached keys, either kind of layer."""

import copy
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM

from app.blocks import LeanBlock
from app.packing import can_pack, pack

pytestmark = pytest.mark.skipif(not can_pack(torch.float32), reason="PyTorch without oneDNN")


@pytest.fixture
def models(pair: Path) -> tuple[Any, Any]:
    """The same model as upstream has it, and lean."""
    model: Any = AutoModelForCausalLM.from_pretrained(pair / "fine-tuned").eval()
    lean = copy.deepcopy(model)
    pack(lean)
    assert all(isinstance(block, LeanBlock) for block in lean.transformer.h)
    return model, lean


def test_a_padded_batch_has_the_same_logits(models: tuple[Any, Any]) -> None:
    ids = torch.randint(3, 200, (3, 11))
    mask = torch.ones_like(ids)
    mask[0, :4] = mask[2, :9] = 0
    with torch.inference_mode():
        expected, given = (model(ids, attention_mask=mask).logits for model in models)
    real = mask.bool()
    assert torch.allclose(given[real], expected[real], atol=1e-3)


def test_cached_keys_are_used(models: tuple[Any, Any]) -> None:
    ids = torch.randint(3, 200, (2, 9))
    with torch.inference_mode():
        whole = models[0](ids).logits[:, -1]
        begun = models[1](ids[:, :6], use_cache=True)
        rest = models[1](ids[:, 6:], past_key_values=begun.past_key_values).logits[:, -1]
    assert torch.allclose(rest, whole, atol=1e-3)
