"""Our engine in this process, without HTTP: loaded, packed and batched as the app serves it."""

import asyncio
from functools import partial
from pathlib import Path

import torch

from app.batching import Limits
from app.checkpoints import Source, load
from app.devices import best_dtype
from app.generation import BatchingEngine
from app.sampling import Decoding
from app.settings import Settings
from benchmarks.peers.contract import Case, Prompts

PACKAGES: tuple[str, ...] = ()
MOST = 32


def cases(directory: Path, device: torch.device) -> dict[str, Case]:
    """Load the model exactly, and as `MEDQA_DTYPE=auto` finds it fastest."""
    return dict(_case(directory, device, dtype) for dtype in ("float32", "auto"))


def _case(directory: Path, device: torch.device, dtype: str) -> tuple[str, Case]:
    checkpoint = load(Source(str(directory), None), device, best_dtype(dtype, device))
    engine = BatchingEngine(checkpoint, Limits(MOST, 0, Settings().max_batch_tokens))
    engine.start()
    bytes_per_weight = checkpoint.model.dtype.itemsize
    name = {4: "fp32", 2: "bf16"}[bytes_per_weight]
    chosen = f"auto (here {name})" if dtype == "auto" else name
    return f"ours, {chosen}", Case(partial(_run, engine), bytes_per_weight, engine.stop)


def _run(engine: BatchingEngine, prompts: Prompts, new_tokens: int) -> list[list[int]]:
    return asyncio.run(_answer(engine, prompts, new_tokens))


async def _answer(engine: BatchingEngine, prompts: Prompts, new_tokens: int) -> list[list[int]]:
    async def one(prompt: list[int]) -> list[int]:
        tokens = engine.generate(prompt, Decoding(max_new_tokens=new_tokens))
        return [token.id async for token in tokens]

    return await asyncio.gather(*(one(prompt) for prompt in prompts))
