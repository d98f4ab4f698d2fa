"""How fast this machine reads memory: no step of a model is quicker than reading its weights."""

import time
from collections.abc import Callable

import torch

_BYTES = 2**30
_REPEATS = 3


class Reader:
    """A gibibyte to read: past most caches.

    Where the last one is so large that weights stay in it, a model can be faster than this.
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._matrix = torch.ones(_BYTES // 4, device=device).view(-1, 2**14)
        self._vector = torch.ones(2**14, device=device)

    def bytes_per_second(self) -> float:
        """Return the best of several reads by PyTorch's threads, in the faster of two ways."""
        ways: tuple[Callable[[], object], ...] = (
            self._matrix.sum,
            lambda: self._matrix @ self._vector,
        )
        return _BYTES / min(self._seconds(way) for way in ways for _ in range(_REPEATS))

    def _seconds(self, way: Callable[[], object]) -> float:
        started = time.perf_counter()
        way()
        if self._device.type == "cuda":
            torch.cuda.synchronize(self._device)
        return time.perf_counter() - started
