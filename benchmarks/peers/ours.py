"""Our engine in this process, without HTTP: loaded, packed and batched as the app serves it."""

import asyncio
from functools import partial
from pathlib import Path
from typing import get_args

import torch

from app.engine.admission import Limits
from app.engine.backends.fitting import best_dtype
from app.engine.checkpoint import load
from app.engine.generation import BatchingEngine
from app.engine.interface import Decoding, Source
from app.errors import CheckpointError
from app.settings import Settings
from benchmarks.peers.contract import Case, Prompts

PACKAGES: tuple[str, ...] = ()
MOST = 32
_DTYPES = {"float32": ("fp32", 4), "bfloat16": ("bf16", 2), "int8": ("int8", 1)}
_OFFERED = get_args(Settings.model_fields["dtype"].annotation)


def cases(directory: Path, device: torch.device) -> dict[str, Case]:
    """Load the model in the formats that `MEDQA_DTYPE` may name; `auto` is one of the first two."""
    found = {}
    for dtype in [each for each in _DTYPES if each in _OFFERED]:
        try:
            name, case = _case(directory, device, dtype)
        except CheckpointError:
            if dtype != "int8":  # which is for some processors only
                raise
            continue
        found[name] = case
    return found


def _case(directory: Path, device: torch.device, dtype: str) -> tuple[str, Case]:
    checkpoint = load(Source(str(directory), None), device, best_dtype(dtype, device))
    engine = BatchingEngine(checkpoint, Limits(MOST, 0, Settings().max_batch_tokens))
    engine.start()
    name, bytes_per_weight = _DTYPES[dtype]
    return f"ours, {name}", Case(partial(_run, engine), bytes_per_weight, engine.stop)


def _run(engine: BatchingEngine, prompts: Prompts, new_tokens: int) -> list[list[int]]:
    return asyncio.run(_answer(engine, prompts, new_tokens))


async def _answer(engine: BatchingEngine, prompts: Prompts, new_tokens: int) -> list[list[int]]:
    async def one(prompt: list[int]) -> list[int]:
        tokens = engine.generate(prompt, Decoding(max_new_tokens=new_tokens))
        return [token.id async for token in tokens]

    return await asyncio.gather(*(one(prompt) for prompt in prompts))
