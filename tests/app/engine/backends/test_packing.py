"""Packed matrices give what the model gave, in either format, whatever the number of rows."""

import copy
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from transformers import AutoModelForCausalLM

from app.engine.backends.packing import PackedLinear, can_pack, pack


@pytest.mark.parametrize("activation", ["gelu_new", "gelu_pytorch_tanh"])
@pytest.mark.parametrize(
    ("dtype", "tolerance"), [(torch.float32, 1e-4), (torch.bfloat16, 5e-2)], ids=str
)
def test_a_packed_model_gives_the_same_logits(
    pair: Path, dtype: torch.dtype, tolerance: float, activation: str
) -> None:
    if not can_pack(dtype):
        pytest.skip(f"this processor has no packed layers in {dtype}")
    model: Any = AutoModelForCausalLM.from_pretrained(
        pair / "fine-tuned", dtype=dtype, activation_function=activation
    ).eval()
    packed = copy.deepcopy(model)
    pack(packed)
    assert isinstance(packed.transformer.h[0].attn.c_attn, PackedLinear)
    assert isinstance(packed.lm_head, PackedLinear)
    fused = activation == "gelu_pytorch_tanh"  # the one that oneDNN knows
    assert isinstance(packed.transformer.h[0].mlp.act, nn.Identity) == fused
    for rows, columns in [(1, 1), (1, 7), (16, 1), (3, 50)]:
        ids = torch.randint(0, model.config.vocab_size, (rows, columns))
        with torch.inference_mode():
            expected, given = model(ids).logits.float(), packed(ids).logits.float()
        assert torch.allclose(given, expected, rtol=tolerance, atol=tolerance * expected.std())
