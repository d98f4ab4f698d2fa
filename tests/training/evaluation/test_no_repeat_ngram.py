"""The guard against repetition: beside upstream's, and answers as the service gives them."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import NoRepeatNGramLogitsProcessor

from app.engine.admission import Limits
from app.engine.checkpoint import load as load_served
from app.engine.interface import Decoding
from app.engine.generation import BatchingEngine
from app.engine.interface import Source
from training.evaluation.batched_greedy import greedy_answers
from training.evaluation.loaded_model import load
from training.evaluation.no_repeat_ngram import NoRepeat

PROMPTS = [[5, 9, 17], [33, 8, 120, 64, 31, 7], [61] * 30]
OUTSIDE = torch.zeros(8, dtype=torch.bool)


@pytest.mark.parametrize("size", [1, 2, 3])
@pytest.mark.parametrize("tokens", [0, 1, 2, 3, 40])
def test_between_words_it_bans_what_upstreams_bans(size: int, tokens: int) -> None:
    generator = torch.Generator().manual_seed(tokens)
    answers: Any = torch.randint(0, 4, (5, tokens), generator=generator)
    logits: Any = torch.rand(5, 8, generator=generator)
    expected = NoRepeatNGramLogitsProcessor(size)(answers, logits.clone())
    NoRepeat(size, OUTSIDE).ban(logits, answers[:, :0], answers)
    assert torch.equal(logits, expected)


def test_what_the_prompt_holds_may_come_again() -> None:
    answers = torch.tensor([[1, 2, 3, 1, 2], [1, 2, 3, 1, 2]])
    prompts = torch.tensor([[-1, 1, 2, 4], [0, 1, 2, 3]])
    logits = torch.zeros(2, 8)
    NoRepeat(3, OUTSIDE).ban(logits, prompts, answers)
    assert logits.isinf().nonzero().tolist() == [[0, 3]]


@pytest.mark.parametrize("size", [2, 3])
async def test_evaluation_answers_as_the_service_does(pair: Path, size: int) -> None:
    loaded = load(str(pair / "fine-tuned"))
    guard = NoRepeat.of(loaded.tokenizer, size)
    evaluated = greedy_answers(loaded.model, PROMPTS, -1, 60, guard)
    assert evaluated != greedy_answers(loaded.model, PROMPTS, -1, 60), "it does repeat itself"
    checkpoint = load_served(Source(str(pair / "fine-tuned")), torch.device("cpu"), torch.float32)
    checkpoint.tokenizer.eos_token_id = None  # so that no answer ends
    engine = BatchingEngine(checkpoint, Limits(4, 0, 64))
    engine.start()

    async def served(prompt: list[int]) -> list[int]:
        decoding = Decoding(60, no_repeat_ngram_size=size)
        return [token.id async for token in engine.generate(prompt, decoding)]

    try:
        assert await asyncio.gather(*map(served, PROMPTS)) == evaluated
    finally:
        engine.stop()
