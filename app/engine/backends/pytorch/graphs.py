"""CUDA graphs: a decode step recorded once for each shape, then launched as one piece.

Knows nothing about models. What is recorded reads its numbers from one tensor and writes its
logits into another, so a replay needs new numbers and nothing else.
"""

from collections.abc import Callable
from dataclasses import fields, replace
from typing import Any, Protocol

import torch
from torch import Tensor

from app.engine.backends.pytorch.step import Shape, Step


class Recorded(Protocol):
    """A computation that can be launched again; it reads and writes the tensors that it did."""

    output: Tensor

    def replay(self) -> None:
        """Launch it again."""


class CudaGraph:
    """A computation recorded on the current CUDA device."""

    def __init__(self, compute: Callable[[], Tensor]) -> None:
        aside = torch.cuda.Stream()  # type: ignore[no-untyped-call] # PyTorch leaves it untyped
        aside.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(aside):
            compute()  # libraries choose kernels and workspaces at the first call: not in a graph
        torch.cuda.current_stream().wait_stream(aside)
        self._graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self._graph):
            self.output = compute()

    def replay(self) -> None:
        """Launch it again."""
        self._graph.replay()


class Graphs:
    """One recording for each shape of step."""

    def __init__(
        self,
        compute: Callable[[Step], Tensor],
        record: Callable[[Callable[[], Tensor]], Recorded] = CudaGraph,
    ) -> None:
        self._compute = compute
        self._record = record
        self._recorded: dict[Shape, tuple[Tensor, Recorded]] = {}

    def run(self, step: Step) -> Tensor:
        """Return the step's logits; they are overwritten by the next step of its shape."""
        if step.shape not in self._recorded:
            own = _of_its_own(step)
            self._recorded[step.shape] = own.numbers, self._record(lambda: self._compute(own))
        numbers, recorded = self._recorded[step.shape]
        numbers.copy_(step.numbers)
        recorded.replay()
        return recorded.output


def _of_its_own(step: Step) -> Step:
    """Return a step with the same numbers in memory that stays."""
    numbers = step.numbers.clone()
    views: dict[str, Any] = {}
    for field in fields(step):
        part = getattr(step, field.name)
        if isinstance(part, Tensor) and part is not step.numbers:
            start = part.storage_offset() - step.numbers.storage_offset()
            views[field.name] = numbers[start : start + part.numel()].view(part.shape)
    return replace(step, numbers=numbers, **views)
