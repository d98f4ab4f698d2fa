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
_ONE = np.float32(1)


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
        place = int(np.searchsorted(self._terms, sought))
        return place if place < len(self._terms) and self._terms[place] == sought else None

    def bound_to(self, stem: str) -> range:
        """Return the numbers of the terms that bind a number or letter to a stem (`type#2`)."""
        first, last = np.searchsorted(self._terms, [f"{stem}#".encode(), f"{stem}$".encode()])
        return range(int(first), int(last))


class Postings:
    """Which entries of one field hold a term, and how much it is worth there."""

    def __init__(self, directory: Path, name: str, entries: int, specificity: NDArray[Any]) -> None:
        self._starts = load(directory, f"{name}.starts")
        self.entries = load(directory, f"{name}.entries")
        weighted = (directory / f"{name}.weights.npy").is_file()
        self._weights = load(directory, f"{name}.weights") if weighted else None
        self.size = entries
        having: NDArray[Any] = np.diff(self._starts.astype(np.int64))
        self._having = having
        self.frequencies = np.log1p((entries - having + 0.5) / (having + 0.5)).astype(np.float32)
        """Inverse document frequencies, as Lucene's: float32 (terms,)."""
        self.rarities = self.frequencies * (specificity / np.float32(255))
        """The same, of everyday words less: what they tell."""

    def of(self, term: int) -> tuple[NDArray[Any], NDArray[Any] | np.float32]:
        """Return the entries that have a term, and its weight in each."""
        found = slice(int(self._starts[term]), int(self._starts[term + 1]))
        return self.entries[found], _ONE if self._weights is None else self._weights[found]

    def of_any(self, terms: range) -> NDArray[Any]:
        """Return the entries that have one of some neighbouring terms."""
        if not terms:
            return self.entries[:0]
        return self.entries[int(self._starts[terms.start]) : int(self._starts[terms.stop])]

    def has(self, term: int, entry: int) -> bool:
        """Whether an entry holds a term."""
        start, end = int(self._starts[term]), int(self._starts[term + 1])
        place = start + int(np.searchsorted(self.entries[start:end], entry))
        return place < end and int(self.entries[place]) == entry

    def totals(self) -> tuple[Floats, Floats]:
        """Return the sums of each entry's terms, float32 (entries,): frequencies, rarities."""
        terms = np.repeat(np.arange(len(self._starts) - 1), self._having)
        frequencies, rarities = (
            np.bincount(self.entries, each[terms], self.size).astype(np.float32)
            for each in (self.frequencies, self.rarities)
        )
        return frequencies, rarities
