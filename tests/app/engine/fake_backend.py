"""A backend without a model: what comes next follows from the tokens that its blocks hold.

It fails where a scheduler reads what it has not written, writes where another's tokens lie, or
reads more than its cache.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from app.engine.backends.interface import Run

VOCABULARY = 50


def row(text: Sequence[int], order: int = 2) -> np.ndarray[Any, np.dtype[np.float32]]:
    """Return the logits after a text: of its last `order` tokens alone, so that texts repeat."""
    seed = [len(text) if order > len(text) else 0, *text[-order:]]
    return np.random.default_rng(seed).normal(size=VOCABULARY).astype(np.float32)


class FakeBackend:
    """Keeps the tokens themselves in its blocks; notes what each step read."""

    def __init__(self, blocks: int = 64, block_tokens: int = 4, order: int = 2) -> None:
        self.blocks = blocks
        self.block_tokens = block_tokens
        self.steps: list[list[Run]] = []
        self.errors: list[Exception] = []
        """What the next steps raise."""
        self._order = order
        self._held = np.full((blocks, block_tokens), -1)

    def forward(self, runs: Sequence[Run]) -> Any:
        self.steps.append(list(runs))
        if self.errors:
            raise self.errors.pop(0)
        lent = [block for run in runs for block in run.blocks]
        assert len(lent) == len(set(lent)), "two requests share a block"
        rows = []
        for run in runs:
            assert run.tokens
            assert 0 <= run.wanted <= len(run.tokens)
            text = self._text(run)
            first = len(text) - run.wanted
            rows += [row(text[: place + 1], self._order) for place in range(first, len(text))]
        return np.array(rows).reshape(-1, VOCABULARY)

    def ran_out_of_memory(self, error: Exception) -> bool:
        return isinstance(error, MemoryError)

    def _text(self, run: Run) -> list[int]:
        """Write a run into its blocks; return all that they hold up to there."""
        end = run.kv_length + len(run.tokens)
        places = [
            (run.blocks[place // self.block_tokens], place % self.block_tokens)
            for place in range(end)
        ]
        for place, token in zip(places[run.kv_length :], run.tokens, strict=True):
            self._held[place] = token
        text = [int(self._held[place]) for place in places]
        assert -1 not in text, "read before it was written"
        return text
