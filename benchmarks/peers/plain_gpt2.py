"""GPT-2's forward pass written out once more, without a framework's bookkeeping around it.

Where keys and values are kept is the caller's affair.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch.nn import functional

Remember = Callable[[int, torch.Tensor, torch.Tensor], tuple[torch.Tensor, torch.Tensor]]
"""A layer's number and its new keys and values [batch, heads, new, size] in; all of them out."""


def next_tokens(
    model: Any,
    ids: torch.Tensor,
    positions: torch.Tensor,
    remember: Remember,
) -> torch.Tensor:
    """Return the likeliest token after each row of `ids` [batch, new], as int64 [batch, 1].

    `model` is a GPT2LMHeadModel; a prompt is read causally.
    """
    inner, heads = model.transformer, model.config.n_head
    hidden = inner.wte(ids) + inner.wpe(positions)
    for number, block in enumerate(inner.h):
        mixed = block.attn.c_attn(block.ln_1(hidden)).chunk(3, dim=-1)
        query, key, value = (each.unflatten(-1, (heads, -1)).transpose(1, 2) for each in mixed)
        key, value = remember(number, key, value)
        found = functional.scaled_dot_product_attention(
            query, key, value, is_causal=ids.shape[1] > 1
        )
        hidden = hidden + block.attn.c_proj(found.transpose(1, 2).flatten(-2))
        inside = functional.gelu(block.mlp.c_fc(block.ln_2(hidden)), approximate="tanh")
        hidden = hidden + block.mlp.c_proj(inside)
    logits: torch.Tensor = model.lm_head(inner.ln_f(hidden[:, -1:]))
    return logits.argmax(-1)
