"""Attention of a step over a cache of blocks, in the two ways that devices can do it.

Knows nothing about a model's other arithmetic. Queries, keys and values are [rows, heads, width];
a layer's cache is [blocks, block_tokens, heads, width], and holds the step's own keys already.
"""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention

from app.engine.backends.pytorch.step import Group, Step

Attend = Callable[[Tensor, Tensor, Tensor, float], Tensor]
"""(query, keys, values, scale) → attended, like query; keys and values are a layer's cache."""

PAGED_BLOCK_TOKENS = 256
"""What FlashAttention 2's paged kernel, the one in PyTorch's wheels, wants a block to hold."""
_PAGED_HEAD_WIDTH = 256
"""Most numbers of one head for it; and they must be a multiple of 8."""


def can_page(capability: tuple[int, int] | None, dtype: torch.dtype, head_width: int) -> bool:
    """Whether a CUDA card can attend over blocks where they lie; None is no such card."""
    return (
        capability is not None
        and capability >= (8, 0)
        and dtype in (torch.bfloat16, torch.float16)
        and head_width % 8 == 0
        and head_width <= _PAGED_HEAD_WIDTH
    )


def paged(step: Step, context_tokens: int) -> Attend:
    """Attend by FlashAttention over blocks, nothing copied and each run's keys in one order.

    Without splits of the keys a row is the same whatever else is in the batch.
    """
    from torch.nn.attention.varlen import varlen_attn

    bounds, key_bounds = step.bounds.int(), step.key_bounds.int()
    lengths, table = step.lengths.int(), step.table.int()

    def attend(query: Tensor, keys: Tensor, values: Tensor, scale: float) -> Tensor:
        attended = varlen_attn(
            query,
            keys,
            values,
            bounds,
            key_bounds,
            step.shape.longest,
            context_tokens,
            scale=scale,
            window_size=(-1, 0),
            seqused_k=lengths,
            block_table=table,
            num_splits=1,
        )
        assert isinstance(attended, Tensor)
        return attended

    return attend


def gathered(step: Step, block_tokens: int, dtype: torch.dtype) -> Attend:
    """Attend by SDPA over copies of the requests' keys, for each group of like requests at once."""
    masks = [_mask(group, block_tokens, dtype) for group in step.groups]

    def attend(query: Tensor, keys: Tensor, values: Tensor, scale: float) -> Tensor:
        attended = torch.zeros_like(query)
        for group, mask in zip(step.groups, masks, strict=True):
            rows = slice(group.start, group.start + group.runs * group.tokens)
            queries = query[rows].view(group.runs, group.tokens, *query.shape[1:])
            attended[rows] = (
                scaled_dot_product_attention(
                    queries.transpose(1, 2),
                    keys[group.table].flatten(1, 2).transpose(1, 2),
                    values[group.table].flatten(1, 2).transpose(1, 2),
                    attn_mask=mask,
                    scale=scale,
                )
                .transpose(1, 2)
                .flatten(0, 1)
            )
        return attended

    return attend


def _mask(group: Group, block_tokens: int, dtype: torch.dtype) -> Tensor:
    """Return what to add to scores [runs, 1, tokens, keys]: -inf for whatever comes later."""
    device = group.table.device
    keys = torch.arange(group.table.shape[1] * block_tokens, device=device)
    last = group.kv_length[:, None] + torch.arange(group.tokens, device=device)
    later = keys > last[:, None, :, None]
    return torch.zeros(later.shape, dtype=dtype, device=device).masked_fill_(later, -torch.inf)
