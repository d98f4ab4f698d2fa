"""Attention by request: long prompts in pieces beside others give what each gives alone."""

import asyncio
from contextlib import aclosing

import pytest
import torch
from torch.nn.functional import scaled_dot_product_attention

from app.engine.backends import attention
from app.engine.checkpoint import Checkpoint
from app.engine.interface import Decoding
from app.engine.generation import BatchingEngine
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


async def _ids(engine: BatchingEngine, prompt: list[int], new_tokens: int = 8) -> list[int]:
    decoding = Decoding(max_new_tokens=new_tokens)
    async with aclosing(engine.generate(prompt, decoding)) as tokens:
        return [token.id async for token in tokens]


async def test_prompts_in_pieces_beside_others_as_upstream_alone(
    engine: BatchingEngine, fine_tuned: Checkpoint
) -> None:
    prompts = [*LONG, *SHORT]  # a step holds 64 tokens: each long prompt takes two or more
    expected = [_expected(fine_tuned, prompt) for prompt in prompts]
    assert await asyncio.gather(*(_ids(engine, prompt) for prompt in prompts)) == expected


async def test_an_answer_stays_the_same_when_those_between_leave_and_others_come(
    engine: BatchingEngine, fine_tuned: Checkpoint
) -> None:
    prompts = [prompt[: 20 + 7 * place] for place, prompt in enumerate([*LONG, *LONG])]
    expected = [_expected(fine_tuned, prompt) for prompt in prompts]

    async def several(place: int) -> list[list[int]]:
        """Ask again and again; every second asks for short answers, and so changes pages."""
        lengths = [1, 2, 1, 3, 8] if place % 2 else [8, 8]
        return [await _ids(engine, prompts[place], length) for length in lengths]

    for given, full in zip(
        await asyncio.gather(*map(several, range(len(prompts)))), expected, strict=True
    ):
        assert all(tokens == full[: len(tokens)] for tokens in given)


async def test_a_prompt_meets_its_own_keys_and_all_answers_share_a_call(
    engine: BatchingEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    met: list[tuple[int, int, int]] = []

    def watched(
        query: torch.Tensor, key: torch.Tensor, *rest: torch.Tensor, **named: object
    ) -> object:
        assert len(query) == len(key)
        met.append((len(query), query.shape[2], key.shape[2]))
        return scaled_dot_product_attention(query, key, *rest, **named)  # type: ignore[arg-type]

    monkeypatch.setattr("app.engine.backends.attention.scaled_dot_product_attention", watched)
    await asyncio.gather(*(_ids(engine, prompt) for prompt in [*LONG, *SHORT]))
    assert any(1 < queries < keys for _, queries, keys in met)
    assert all(requests == 1 for requests, queries, _ in met if queries > 1)
    assert max(keys for _, _, keys in met) <= len(LONG[0]) + 8
    assert max(requests for requests, _, _ in met) == len([*LONG, *SHORT])
