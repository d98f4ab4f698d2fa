"""How fast this machine reads memory: no step of a model is quicker than reading its weights."""

import time
from collections.abc import Callable

import torch

_BYTES = 2**30
_REPEATS = 5


def read_bytes_per_second(device: torch.device) -> float:
    """Return the best of several reads of 1 GiB by PyTorch's threads, the faster of two ways.

    A gibibyte is past most caches. Where the last one is so large that weights stay in it, a model
    can be faster than this.
    """
    matrix = torch.ones(_BYTES // 4, device=device).view(-1, 2**14)
    vector = torch.ones(2**14, device=device)
    ways: tuple[Callable[[], object], ...] = (matrix.sum, lambda: matrix @ vector)
    return _BYTES / min(_seconds(way, device) for way in ways for _ in range(_REPEATS))


def _seconds(way: Callable[[], object], device: torch.device) -> float:
    started = time.perf_counter()
    way()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter() - started
