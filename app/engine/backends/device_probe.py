"""`python -m app.engine.backends.device_probe`: print as JSON what PyTorch can compute on.

Run as a process of its own (`device_facts`), as whoever has touched CUDA cannot fork. Each card
runs a first kernel in the formats that a model would use: old ones are listed, and fail only there.
"""

import json
import warnings
from typing import Any

import torch

_SIZE = 64


def found() -> dict[str, Any]:
    """Return the fields of `cards.Facts` that need PyTorch."""
    cards: list[dict[str, Any]] = []
    error = None
    if torch.version.cuda:
        try:
            torch.cuda.init()  # type: ignore[no-untyped-call] # PyTorch leaves it untyped
            cards = [_card(index) for index in range(torch.cuda.device_count())]
        except (RuntimeError, AssertionError) as failure:
            error = _first_line(failure)
    return {
        "cuda": torch.version.cuda,
        "architectures": torch.cuda.get_arch_list(),
        "cards": cards,
        "cuda_error": error,
        "mps": torch.backends.mps.is_available(),
    }


def _card(index: int) -> dict[str, Any]:
    properties = torch.cuda.get_device_properties(index)
    return {
        "name": properties.name,
        "capability": (properties.major, properties.minor),
        "memory_bytes": properties.total_memory,
        "fault": kernel_fault(torch.device("cuda", index), properties.major >= 8),
    }


def kernel_fault(device: torch.device, bfloat16: bool) -> str | None:
    """Return what a first product of matrices died of, or how wrong it was; None: it was right."""
    for dtype in (torch.float32, torch.bfloat16 if bfloat16 else torch.float16):
        try:
            ones = torch.ones(_SIZE, _SIZE, dtype=dtype, device=device)
            product = float((ones @ ones).float().sum())
        except RuntimeError as failure:
            return f"{dtype}: {_first_line(failure)}"
        if product != _SIZE**3:
            return f"{dtype}: a sum of {_SIZE**3} came out as {product}"
    return None


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


if __name__ == "__main__":
    warnings.simplefilter("ignore")  # PyTorch's own about old cards: the same is told in words
    print(json.dumps(found()))
