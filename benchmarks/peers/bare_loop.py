"""The floor of what PyTorch can do: a buffer for keys and values, and a loop."""

from functools import partial
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM

from benchmarks.peers.contract import Case, Prompts
from benchmarks.peers.plain_gpt2 import next_tokens

PACKAGES: tuple[str, ...] = ()


def cases(directory: Path, device: torch.device) -> dict[str, Case]:
    """Load the model in both formats."""
    loops = {}
    for name, dtype in {"fp32": torch.float32, "bf16": torch.bfloat16}.items():
        model: Any = AutoModelForCausalLM.from_pretrained(directory, dtype=dtype)
        model = model.to(device).eval()
        loops[f"bare PyTorch loop, {name}"] = Case(partial(_loop, model), dtype.itemsize)
    return loops


@torch.inference_mode()
def _loop(model: Any, prompts: Prompts, new_tokens: int) -> list[list[int]]:
    config, device = model.config, model.device
    ids = torch.tensor(prompts, device=device)
    batch, length = ids.shape
    shape = (config.n_layer, 2, batch, config.n_head, length + new_tokens)
    kept = torch.empty(*shape, config.n_embd // config.n_head, dtype=model.dtype, device=device)
    start, made = 0, []
    for _ in range(new_tokens):
        end = start + ids.shape[1]

        def remember(
            layer: int, key: torch.Tensor, value: torch.Tensor, start: int = start, end: int = end
        ) -> tuple[torch.Tensor, torch.Tensor]:
            kept[layer, 0, :, :, start:end], kept[layer, 1, :, :, start:end] = key, value
            return kept[layer, 0, :, :, :end], kept[layer, 1, :, :, :end]

        ids = next_tokens(model, ids, torch.arange(start, end, device=device), remember)
        made.append(ids)
        start = end
    answers: list[list[int]] = torch.cat(made, dim=1).tolist()
    return answers
