"""Attention of a batch on a CPU: what is read of a question meets its own keys, and no others.

Upstream's SDPA path copies the keys of all running requests together at every layer, lets every
query meet all of them and masks the others' out: work that grows with the square of how much runs.
Here a request's keys stay where they are, on one page of upstream's cache as long as the context.
Neighbouring pages are read through one strided view, so a step of many answers is one call.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import torch
from torch.nn.functional import scaled_dot_product_attention
from transformers import AttentionInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward

from app.engine.backends.threads import shared

BY_REQUEST = "by_request"
"""Its name, as `attn_implementation`; outside of continuous batching it is causal SDPA."""


@dataclass(frozen=True, slots=True)
class _Group:
    """Requests of as many queries each, whose pages lie at equal distances."""

    tokens: slice | torch.Tensor
    """Which of the step's tokens are theirs."""
    requests: int
    pages: slice
    known: int
    """Keys of the one that has most, these queries' own among them."""
    mask: torch.Tensor | None
    causal: bool

    def attend(
        self,
        query: torch.Tensor,
        keys: torch.Tensor,
        values: torch.Tensor,
        output: torch.Tensor,
        scaling: float | None,
    ) -> None:
        """Fill our rows of `output`; it and `query` are [tokens, heads, width]."""
        keys, values = keys[self.pages, : self.known], values[self.pages, : self.known]
        with shared(keys.nbytes + values.nbytes):
            attended = scaled_dot_product_attention(
                query[self.tokens].reshape(self.requests, -1, *query.shape[1:]).transpose(1, 2),
                keys.transpose(1, 2),
                values.transpose(1, 2),
                attn_mask=self.mask,
                is_causal=self.causal,
                scale=scaling,
            )
        output[self.tokens] = attended.transpose(1, 2).flatten(0, 1)


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
    layer: Any = module.layer_idx
    allocator = cache.layer_to_allocator[layer]
    written = kwargs["write_index"][allocator.index]
    if layer == 0:  # the same for all layers of a step
        cache.groups = _groups(kwargs, written, allocator, query.dtype)
    query, key, value = (each[0].transpose(0, 1) for each in (query, key, value))
    keys, values = allocator.get_cache_for_block_table(layer)  # [pages, tokens, heads, width]
    keys.flatten(0, 1).index_copy_(0, written, key)
    values.flatten(0, 1).index_copy_(0, written, value)
    output = query.new_empty(query.shape)
    for group in cache.groups:
        group.attend(query, keys, values, output, scaling)
    return output.unsqueeze(0), None


def _groups(
    kwargs: dict[str, Any], written: torch.Tensor, allocator: Any, dtype: torch.dtype
) -> list[_Group]:
    """Return what is to be read: each piece of a prompt alone, all other requests together.

    Those who go on with an answer have one query each. Where pages between theirs are not to be
    read, they are more than one group.
    """
    spans = list(pairwise(kwargs["cu_seq_lens_q"].tolist()))
    ends = kwargs["cu_seq_lens_k"][allocator.layer_type].tolist()
    known = [end - begin for begin, end in pairwise(ends)]
    places = written.tolist()
    pages = [places[first] // allocator.tokens_per_page for first, _ in spans]
    step = allocator.block_physical_stride // allocator.tokens_per_page
    groups: list[_Group] = []
    going_on: list[int] = []
    for request, (first, last) in enumerate(spans):
        if last - first == 1:
            going_on.append(request)
            continue
        queries, keys = last - first, known[request]
        mask = _mask(range(keys - queries + 1, keys + 1), dtype) if queries < keys else None
        page = slice(pages[request], pages[request] + 1)
        groups.append(_Group(slice(first, last), 1, page, keys, mask, causal=mask is None))
    going_on.sort(key=pages.__getitem__)
    while going_on:
        start = pages[going_on[0]]
        count = sum(pages[each] == start + step * place for place, each in enumerate(going_on))
        run, going_on = going_on[:count], going_on[count:]
        lengths = [known[each] for each in run]
        mask = _mask(lengths, dtype)[:, None, None] if min(lengths) < max(lengths) else None
        groups.append(
            _Group(
                _tokens([spans[each][0] for each in run]),
                count,
                slice(start, start + step * (count - 1) + 1, step),
                max(lengths),
                mask,
                causal=False,
            )
        )
    return groups


def _tokens(places: list[int]) -> slice | torch.Tensor:
    """Return an index of places: a slice, which copies nothing, if they follow each other."""
    if places == list(range(places[0], places[0] + len(places))):
        return slice(places[0], places[0] + len(places))
    return torch.tensor(places)


def _mask(lengths: Sequence[int], dtype: torch.dtype) -> torch.Tensor:
    """Return what to add to scores [lengths, longest]: -inf from each length on."""
    keys = torch.arange(max(lengths))
    hidden = keys >= torch.tensor(lengths)[:, None]
    return torch.zeros(hidden.shape, dtype=dtype).masked_fill_(hidden, -torch.inf)


AttentionInterface.register(BY_REQUEST, _by_request)
