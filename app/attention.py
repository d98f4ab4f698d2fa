"""Attention of a batch on a CPU: what is read of a question meets its own keys, and no others.

Upstream's SDPA path lets every query meet the keys of all running requests and masks the others'
out: arithmetic, and a mask, that grow with the square of how much runs. Its FlashAttention path is
told where each request begins; on a CPU, this does with SDPA what that does on a GPU.
"""

from itertools import pairwise
from typing import Any

import torch
from torch.nn.functional import scaled_dot_product_attention
from transformers import AttentionInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward

BY_REQUEST = "by_request"
"""Its name, as `attn_implementation`; outside of continuous batching it is causal SDPA."""

_BLOCK = 32
"""Queries that PyTorch's CPU kernel takes in one go: so many meet a key at the price of one."""

Span = tuple[int, int]
"""Where a request's tokens begin and end among the batch's."""


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
    asked = list(pairwise(kwargs["cu_seq_lens_q"].tolist()))
    known = list(pairwise(kwargs["cu_seq_lens_k"].tolist()))
    output = query.new_empty(query.shape[0], query.shape[2], query.shape[1], query.shape[3])
    for group in _groups(asked):
        (first, _), (_, last) = asked[group.start], asked[group.stop - 1]
        (begin, _), (_, end) = known[group.start], known[group.stop - 1]
        whole = last - first == end - begin and group.stop - group.start == 1
        attended = scaled_dot_product_attention(
            query[:, :, first:last],
            key[:, :, begin:end],
            value[:, :, begin:end],
            attn_mask=None if whole else _mask(asked[group], known[group], query),
            is_causal=whole,
            scale=scaling,
        )
        output[:, first:last] = attended.transpose(1, 2)
    return output, None


def _groups(asked: list[Span]) -> list[slice]:
    """Return requests that are next to each other and have few queries together.

    One call for all of them costs less than one for each.
    """
    groups = [slice(0, 0)]
    for place, (_, last) in enumerate(asked):
        begun = groups[-1].start
        if last - asked[begun][0] > _BLOCK and place > begun:
            groups.append(slice(place, place))
        groups[-1] = slice(groups[-1].start, place + 1)
    return groups


def _mask(asked: list[Span], known: list[Span], like: torch.Tensor) -> torch.Tensor:
    """Return what to add to the scores (queries, keys): -inf but for a query's own past."""
    origin = known[0][0]
    rows = [
        (begin - origin, end - origin - last + place + 1)
        for (first, last), (begin, end) in zip(asked, known, strict=True)
        for place in range(first, last)
    ]
    begins, ends = torch.tensor(rows, device=like.device).T.unsqueeze(2)
    keys = torch.arange(known[-1][1] - origin, device=like.device)
    mask = torch.zeros(len(rows), len(keys), dtype=like.dtype, device=like.device)
    return mask.masked_fill_((keys < begins) | (keys >= ends), -torch.inf)


AttentionInterface.register(BY_REQUEST, _by_request)
