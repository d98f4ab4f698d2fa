"""Which kind of need a short text speaks of, by its letters: what rules of words cannot foresee.

A linear model over hashed character n-grams, trained by `python -m training red-flags`, which also
measures it; `red_flag_classifier.npz` holds its weights. Spanish is in it as English is. Knows
nothing about rules or notices. Time is linear in the text.
"""

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

_FILE = Path(__file__).with_suffix(".npz")
_WINDOW = 240  # characters: what a message of its training has at most, roughly
_STEP = 120


@dataclass(frozen=True, slots=True)
class _Model:
    """What the file holds; the kinds' weights are per bucket, the last kind is none."""

    kinds: tuple[str, ...]
    weights: NDArray[np.float32]
    bias: NDArray[np.float32]
    lengths: tuple[int, ...]
    threshold: float


@cache
def _model() -> _Model:
    with np.load(_FILE, allow_pickle=False) as read:
        return _Model(
            kinds=tuple(read["kinds"].tolist()),
            weights=read["weights"].astype(np.float32) * read["scale"],
            bias=read["bias"],
            lengths=tuple(read["lengths"].tolist()),
            threshold=float(read["threshold"]),
        )


def buckets(text: str, length: int, number: int) -> NDArray[np.int64]:
    """Return the bucket of each of the text's n-grams of `length` characters, below `number`.

    `number` is a power of two. The training hashes alike, which a test compares.
    """
    codes = np.frombuffer(text.encode("utf-32-le"), dtype=np.uint32)
    count = max(0, len(codes) - length + 1)
    hashed = np.full(count, length, dtype=np.uint32)
    for offset in range(length):
        hashed = (hashed ^ codes[offset : offset + count]) * np.uint32(0x01000193)
        hashed ^= hashed >> np.uint32(15)
    return (hashed % np.uint32(number)).astype(np.int64)


def classified(words: str) -> str | None:
    """Return the kind of need that lower-case words, with single spaces between, speak of.

    A long text is read in overlapping windows; the surest of them decides. None where no kind is
    likely enough.
    """
    model = _model()
    text = f" {words} "
    starts = range(0, max(1, len(text) - _WINDOW + _STEP), _STEP)
    logits = np.stack([_logits(text[start : start + _WINDOW], model) for start in starts])
    likely = np.exp(logits - logits.max(axis=1, keepdims=True))
    likely /= likely.sum(axis=1, keepdims=True)
    surest = likely[likely[:, -1].argmin()]
    if 1 - surest[-1] < model.threshold:
        return None
    return model.kinds[int(surest[:-1].argmax())]


def _logits(text: str, model: _Model) -> NDArray[np.float32]:
    found = np.concatenate([buckets(text, n, len(model.weights)) for n in model.lengths])
    total: NDArray[np.float32] = model.weights[found].sum(axis=0)
    return total / np.float32(np.sqrt(max(1, len(found)))) + model.bias
