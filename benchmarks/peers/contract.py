"""What the engine's benchmark asks of each way to make tokens from one and the same model."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import torch

Prompts = list[list[int]]
Generate = Callable[[Prompts, int], list[list[int]]]
"""Prompts of equal length and a number of new tokens in; each answer's new tokens out, greedy."""


@dataclass(frozen=True, slots=True)
class Case:
    """One row: how it makes tokens, and how many bytes it reads for each of the model's weights."""

    generate: Generate
    bytes_per_weight: int
    close: Callable[[], None] = lambda: None


class Peer(Protocol):
    """A module of `benchmarks.peers` that takes part in the engine's benchmark."""

    __name__: str
    PACKAGES: tuple[str, ...]
    """The distributions that it needs besides this project's own."""

    def cases(self, directory: Path, device: torch.device) -> dict[str, Case]:
        """Load the GPT-2 in a directory in each of the peer's ways.

        Raises:
            ImportError: it is not installed.
            Unsupported: it cannot run on the device.

        """


class Unsupported(Exception):
    """A peer cannot run here, and the message says why."""
