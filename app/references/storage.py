"""The files of an index: arrays that are memory-mapped, texts in compressed blocks, postings.

What `training.references.compact` writes; nothing in it needs a pickle. Knows nothing about
ranking.
"""

import zlib
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

_SEPARATOR = "\0"
_REMEMBERED_BLOCKS = 8


def load(directory: Path, name: str) -> NDArray[Any]:
    """Return one of an index's arrays, read as it is needed."""
    array: NDArray[Any] = np.load(directory / f"{name}.npy", mmap_mode="r", allow_pickle=False)
    return array.view(np.ndarray)  # of a memmap each slice costs four times as much


class Texts:
    """Texts by number; only the block that holds one is unpacked."""

    def __init__(self, directory: Path, name: str, per_block: int) -> None:
        self._bytes = load(directory, name)
        self._ends = load(directory, f"{name}.ends")
        self._per_block = per_block
        self._block = lru_cache(_REMEMBERED_BLOCKS)(self._read)
        if len(self._bytes) != (self._ends[-1] if len(self._ends) else 0):
            raise ValueError(f"{name} is cut short")

    def __getitem__(self, number: int) -> str:
        """Return a text."""
        block, place = divmod(number, self._per_block)
        return self._block(block)[place]

    def _read(self, block: int) -> list[str]:
        start = int(self._ends[block - 1]) if block else 0
        packed = self._bytes[start : int(self._ends[block])].tobytes()
        return zlib.decompress(packed).decode().split(_SEPARATOR)


class Vocabulary:
    """The index's terms and their numbers."""

    def __init__(self, directory: Path) -> None:
        self._terms = load(directory, "terms")

    def __len__(self) -> int:
        """How many there are."""
        return len(self._terms)

    def number(self, term: str) -> int | None:
        """Return a term's number; None if no text of the index has it."""
        sought = term.encode()
        place = int(np.searchsorted(self._terms, sought))  # type: ignore[arg-type]  # bytes work
        return place if place < len(self._terms) and self._terms[place] == sought else None


class Postings:
    """Which entries of one field hold a term, and how much it is worth there."""

    def __init__(self, directory: Path, name: str, entries: int) -> None:
        self._starts = load(directory, f"{name}.starts")
        self.entries = load(directory, f"{name}.entries")
        weighted = (directory / f"{name}.weights.npy").is_file()
        self._weights = load(directory, f"{name}.weights") if weighted else None
        self.size = entries
        having = np.diff(self._starts.astype(np.int64))
        self.rarities = np.log1p((entries - having + 0.5) / (having + 0.5)).astype(np.float32)
        self.rarities *= load(directory, "terms.specificity") / np.float32(255)
        """Inverse document frequencies, as Lucene's, of everyday words less: float32 (terms,)."""

    def add(self, total: Floats, term: int, weight: float) -> None:
        """Add what a term of a message is worth to each entry's total, float32 (entries,)."""
        found = slice(int(self._starts[term]), int(self._starts[term + 1]))
        worth = np.float32(weight * self.rarities[term])
        if self._weights is None:
            total[self.entries[found]] += worth
        else:
            total[self.entries[found]] += worth * self._weights[found]

    def totals(self) -> Floats:
        """Return the sum of the rarities of each entry's terms, float32 (entries,)."""
        each = np.repeat(self.rarities, np.diff(self._starts.astype(np.int64)))
        return np.bincount(self.entries, each, self.size).astype(np.float32)
