"""Our engine against transformers' `generate()`: one answer alone, and many at the same time.

The model is GPT-2's 124M shape with random weights, which costs exactly what trained ones cost.
The baseline answers the same requests one after another, as a plain endpoint would. Runs are
interleaved and the median is shown.
"""

import argparse
import asyncio
import platform
import statistics
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
import transformers
from transformers import GenerationConfig, GPT2Config, GPT2LMHeadModel, GPT2Tokenizer

from app.batching import Limits
from app.checkpoints import Checkpoint
from app.devices import best_device
from app.generation import BatchingEngine
from app.sampling import Decoding

_PROMPT_TOKENS = 24
_NO_TOKEN = -1


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the benchmark's options."""
    parser.add_argument("--device", default="auto")
    parser.add_argument("--new-tokens", type=int, default=64)
    parser.add_argument("--concurrent", type=int, nargs="+", default=[1, 16])
    parser.add_argument("--repeats", type=int, default=3)


def run(arguments: argparse.Namespace) -> int:
    """Print tokens per second of both, and their ratio."""
    device = best_device(arguments.device)
    config = GPT2Config(eos_token_id=_NO_TOKEN, bos_token_id=_NO_TOKEN)
    model: Any = GPT2LMHeadModel._from_config(config, attn_implementation="sdpa").to(device).eval()
    checkpoint = Checkpoint("random", None, model, GPT2Tokenizer(), model.num_parameters())
    most = max(arguments.concurrent)
    engine = BatchingEngine(checkpoint, Limits(most, 0, 512))
    engine.start()
    print(
        f"GPT-2 124M, {model.dtype}, {device}, {torch.get_num_threads()} threads, "
        f"{platform.processor() or platform.machine()}, torch {torch.__version__}, "
        f"transformers {transformers.__version__}; median of {arguments.repeats}\n"
    )
    print("| concurrent | generate() tokens/s | ours tokens/s | ours ÷ generate() |")
    print("| --- | --- | --- | --- |")
    try:
        for concurrent in arguments.concurrent:
            prompts = torch.randint(0, config.vocab_size, (concurrent, _PROMPT_TOKENS)).tolist()
            tokens = concurrent * arguments.new_tokens
            baseline, ours = _interleaved(
                [
                    partial(_generate, model, prompts, arguments.new_tokens),
                    partial(_run, engine, prompts, arguments.new_tokens),
                ],
                arguments.repeats,
            )
            print(
                f"| {concurrent} | {tokens / baseline:.1f} | {tokens / ours:.1f} "
                f"| {baseline / ours:.2f} × |",
                flush=True,
            )
    finally:
        engine.stop()
    return 0


def _interleaved(cases: list[Callable[[], None]], repeats: int) -> list[float]:
    """Return each case's median seconds, after one unmeasured run of each."""
    seconds: list[list[float]] = [[] for _ in cases]
    for repeat in range(repeats + 1):
        for case, taken in zip(cases, seconds, strict=True):
            started = time.perf_counter()
            case()
            if repeat:
                taken.append(time.perf_counter() - started)
    return [statistics.median(taken) for taken in seconds]


def _generate(model: Any, prompts: list[list[int]], new_tokens: int) -> None:
    settings = GenerationConfig(
        max_new_tokens=new_tokens, do_sample=False, eos_token_id=_NO_TOKEN, pad_token_id=0
    )
    for prompt in prompts:
        ids = torch.tensor([prompt], device=model.device)
        model.generate(ids, attention_mask=torch.ones_like(ids), generation_config=settings)


def _run(engine: BatchingEngine, prompts: list[list[int]], new_tokens: int) -> None:
    asyncio.run(_answer(engine, prompts, new_tokens))


async def _answer(engine: BatchingEngine, prompts: list[list[int]], new_tokens: int) -> None:
    async def one(prompt: list[int]) -> None:
        async for _ in engine.generate(prompt, Decoding(max_new_tokens=new_tokens)):
            pass

    await asyncio.gather(*(one(prompt) for prompt in prompts))
