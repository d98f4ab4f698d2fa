"""Transformers' own `generate()`: eager, dynamic cache, as its documentation shows it."""

from functools import partial
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM, GenerationConfig

from benchmarks.peers.contract import Case, Prompts

PACKAGES: tuple[str, ...] = ()
BASELINE = "generate(), fp32"
MOST_IN_TURN = 2


def cases(directory: Path, device: torch.device) -> dict[str, Case]:
    """Load the model in both formats; the batch at once, and in fp32 its prompts in turn too."""
    single, half = (_load(directory, device, dtype) for dtype in (torch.float32, torch.bfloat16))
    return {
        BASELINE: Case(partial(_batch, single), 4),
        "generate(), fp32, one after another": Case(partial(_in_turn, single), 4),
        "generate(), bf16": Case(partial(_batch, half), 2),
    }


def _load(directory: Path, device: torch.device, dtype: torch.dtype) -> Any:
    model: Any = AutoModelForCausalLM.from_pretrained(directory, dtype=dtype)
    model.generation_config.eos_token_id = None  # every answer has its full length
    return model.to(device).eval()


def _batch(model: Any, prompts: Prompts, new_tokens: int) -> list[list[int]]:
    settings = GenerationConfig(max_new_tokens=new_tokens, do_sample=False, pad_token_id=0)
    ids = torch.tensor(prompts, device=model.device)
    made = model.generate(ids, attention_mask=torch.ones_like(ids), generation_config=settings)
    answers: list[list[int]] = made[:, ids.shape[1] :].tolist()
    return answers


def _in_turn(model: Any, prompts: Prompts, new_tokens: int) -> list[list[int]]:
    """Answer some of the prompts: the speed of one after another does not depend on how many."""
    return [_batch(model, [prompt], new_tokens)[0] for prompt in prompts[:MOST_IN_TURN]]
