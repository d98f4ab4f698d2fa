"""Attention of a batch on a CPU: each request's queries meet its own keys and no other's.

Upstream's SDPA path lets every query meet the keys of all running requests and masks the others'
out: arithmetic, and a mask, that grow with the square of how many run. Its FlashAttention path is
told where each request begins; on a CPU, this does with SDPA what that does on a GPU.
"""

from typing import Any

import torch
from torch.nn.functional import scaled_dot_product_attention
from transformers import AttentionInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward

BY_REQUEST = "by_request"
"""Its name, as `attn_implementation`; outside of continuous batching it is causal SDPA."""


def _by_request(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    *,
    scaling: float | None = None,
    cache: Any = None,
    **kwargs: Any,
) -> tuple[torch.Tensor, None]:
    """Return the attention of queries (1, heads, tokens, width) as (1, tokens, heads, width)."""
    if cache is None:
        return sdpa_attention_forward(
            module, query, key, value, attention_mask, scaling=scaling, **kwargs
        )
    key, value = cache.update(key, value, module.layer_idx, kwargs)
    starts = kwargs["cu_seq_lens_q"].tolist(), kwargs["cu_seq_lens_k"].tolist()
    output = query.new_empty(query.shape[0], query.shape[2], query.shape[1], query.shape[3])
    for place in range(len(starts[0]) - 1):
        asked, known = (slice(*each[place : place + 2]) for each in starts)
        queries, keys = asked.stop - asked.start, known.stop - known.start
        attended = scaled_dot_product_attention(
            query[:, :, asked],
            key[:, :, known],
            value[:, :, known],
            attn_mask=_causal(queries, keys, query) if 1 < queries < keys else None,
            is_causal=queries == keys,
            scale=scaling,
        )
        output[:, asked] = attended.transpose(1, 2)
    return output, None


def _causal(queries: int, keys: int, like: torch.Tensor) -> torch.Tensor:
    """Return the mask of the last `queries` of `keys` tokens: what comes later is hidden."""
    hidden = torch.full((queries, keys), -torch.inf, dtype=like.dtype, device=like.device)
    return hidden.triu(keys - queries + 1)


AttentionInterface.register(BY_REQUEST, _by_request)
