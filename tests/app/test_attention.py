"""Attention by request: long prompts in pieces beside others give what each gives alone."""

import asyncio
from contextlib import aclosing

import pytest
import torch
from torch.nn.functional import scaled_dot_product_attention

from app import attention
from app.checkpoints import Checkpoint
from app.decoding import Decoding
from app.generation import BatchingEngine
from tests.app.conftest import generated

LONG = [[(7 * place + first) % 300 + 5 for place in range(100)] for first in range(3)]
SHORT = [[5, 9, 17]]


def _expected(checkpoint: Checkpoint, prompt: list[int]) -> list[int]:
    """Return the continuation by upstream's own attention, without batching."""
    model: torch.nn.Module = checkpoint.model
    model.set_attn_implementation("sdpa")  # type: ignore[operator]
    try:
        return generated(checkpoint, prompt, 8)
    finally:
        model.set_attn_implementation(attention.BY_REQUEST)  # type: ignore[operator]


async def _ids(engine: BatchingEngine, prompt: list[int]) -> list[int]:
    async with aclosing(engine.generate(prompt, Decoding(max_new_tokens=8))) as tokens:
        return [token.id async for token in tokens]


@pytest.mark.parametrize("block", [0, 32, 1_000])
async def test_prompts_in_pieces_beside_others_as_upstream_alone(
    block: int, engine: BatchingEngine, fine_tuned: Checkpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.attention._BLOCK", block)
    prompts = [*LONG, *SHORT]  # a step holds 64 tokens: each long prompt takes two or more
    expected = [_expected(fine_tuned, prompt) for prompt in prompts]
    assert await asyncio.gather(*(_ids(engine, prompt) for prompt in prompts)) == expected


async def test_no_query_meets_another_requests_keys(
    engine: BatchingEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    met: list[tuple[int, int]] = []

    def watched(
        query: torch.Tensor, key: torch.Tensor, *rest: torch.Tensor, **named: object
    ) -> object:
        met.append((query.shape[2], key.shape[2]))
        return scaled_dot_product_attention(query, key, *rest, **named)  # type: ignore[arg-type]

    monkeypatch.setattr("app.attention.scaled_dot_product_attention", watched)
    await asyncio.gather(*(_ids(engine, prompt) for prompt in [*LONG, *SHORT]))
    pieces = [(queries, keys) for queries, keys in met if queries > 32]
    assert any(queries < keys for queries, keys in pieces)
    assert max(keys for _, keys in pieces) <= len(LONG[0])
