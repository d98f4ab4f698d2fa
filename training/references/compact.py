"""The files of an index: texts in compressed blocks, postings as small integers, one list of terms.

Every file is a plain NumPy array without objects, to be memory-mapped; texts are UTF-8 in zlib
blocks of a few, so that reading one unpacks its neighbours only. Knows nothing about MedQuAD.
"""

import zlib
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

SEPARATOR = "\0"
_K1 = 1.2
_B = 0.75


def small(numbers: Sequence[int] | NDArray[Any]) -> NDArray[Any]:
    """Return numbers >= 0 in the smallest unsigned type that holds them."""
    array = np.asarray(numbers, dtype=np.int64)
    return array.astype(np.min_scalar_type(int(array.max(initial=0))))


def write_texts(texts: Sequence[str], out: Path, per_block: int) -> None:
    """Write `<out>.npy`, texts as zlib blocks of `per_block`, and `<out>.ends.npy`, their ends."""
    assert not any(SEPARATOR in text for text in texts)
    blocks = [
        zlib.compress(SEPARATOR.join(texts[start : start + per_block]).encode(), 9)
        for start in range(0, len(texts), per_block)
    ]
    np.save(_beside(out, ".npy"), np.frombuffer(b"".join(blocks), dtype=np.uint8))
    np.save(_beside(out, ".ends.npy"), small(np.cumsum([len(block) for block in blocks])))


def read_texts(path: Path) -> list[str]:
    """Return all the texts that `write_texts` wrote."""
    packed = np.load(_beside(path, ".npy"), allow_pickle=False)
    ends = np.load(_beside(path, ".ends.npy"), allow_pickle=False)
    blocks = np.split(packed, ends[:-1].astype(np.intp))
    return [
        text
        for block in blocks
        for text in zlib.decompress(block.tobytes()).decode().split(SEPARATOR)
    ]


def write_words(words: Sequence[str], out: Path) -> None:
    """Write ASCII words as one fixed-width array, in the order given."""
    np.save(_beside(out, ".npy"), np.array([word.encode("ascii") for word in words], dtype="S"))


class Postings:
    """Which entries hold which terms, and how much each is worth there (BM25)."""

    def __init__(self, texts: Sequence[Sequence[str]]) -> None:
        self.texts = texts
        self.terms = {term for text in texts for term in text}

    def write(self, vocabulary: Sequence[str], out: Path, *, weighted: bool) -> None:
        """Write `<out>.starts.npy` (terms + 1), `<out>.entries.npy` and maybe `<out>.weights.npy`.

        The weights, float16, are each occurrence's own: BM25's of Lucene without the inverse
        document frequency (Kamphuis et al. 2020), which the reader knows from the starts.
        """
        numbers = {term: number for number, term in enumerate(vocabulary)}
        lengths = np.array([len(text) for text in self.texts])
        norms = _K1 * (1 - _B + _B * lengths / max(1.0, lengths.mean()))
        terms, entries, weights = [], [], []
        for entry, text in enumerate(self.texts):
            for term, times in sorted(Counter(text).items()):
                terms.append(numbers[term])
                entries.append(entry)
                weights.append(times / (times + norms[entry]))
        order = np.argsort(np.array(terms), kind="stable")
        counts = np.bincount(terms, minlength=len(vocabulary))
        np.save(_beside(out, ".starts.npy"), small(np.concatenate([[0], np.cumsum(counts)])))
        np.save(_beside(out, ".entries.npy"), small(np.array(entries)[order]))
        if weighted:
            np.save(_beside(out, ".weights.npy"), np.array(weights, dtype=np.float16)[order])


def _beside(path: Path, ending: str) -> Path:
    return path.with_name(path.name + ending)
