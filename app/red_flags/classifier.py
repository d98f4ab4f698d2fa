"""Which kind of need a short text speaks of, by its letters: what rules of words cannot foresee.

A linear model over hashed character n-grams, trained by `python -m training red-flags`, which also
measures it; `classifier.npz` holds its weights. Spanish is in it as English is. Knows
nothing about rules or notices. Time is linear in the text.
"""

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

FILE = Path(__file__).with_suffix(".npz")
_FEWEST_WORDS = 3  # different ones
_WHOLE = 160  # characters: a text up to this long is read at once
_WINDOW = 80  # characters of a longer one: what a message of its training has, roughly
_STEP = 40


@dataclass(frozen=True, slots=True)
class _Model:
    """What the file holds; weights are numbers times their kind's scale; the last is none."""

    kinds: tuple[str, ...]
    numbers: NDArray[np.int8]
    scale: NDArray[np.float32]
    bias: NDArray[np.float32]
    lengths: tuple[int, ...]
    threshold: float


@cache
def _model() -> _Model:
    with np.load(FILE, allow_pickle=False) as read:
        return _Model(
            kinds=tuple(read["kinds"].tolist()),
            numbers=read["numbers"],
            scale=read["scale"],
            bias=read["bias"],
            lengths=tuple(read["lengths"].tolist()),
            threshold=float(read["threshold"]),
        )


def buckets(text: str, length: int, number: int) -> NDArray[np.int64]:
    """Return the bucket of each of the text's n-grams of `length` characters, below `number`.

    `number` is a power of two. The training hashes alike, which a test compares.
    """
    codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype=np.uint32)
    count = max(0, len(codes) - length + 1)
    hashed = np.full(count, length, dtype=np.uint32)
    for offset in range(length):
        hashed = (hashed ^ codes[offset : offset + count]) * np.uint32(0x01000193)
        hashed ^= hashed >> np.uint32(15)
    return (hashed % np.uint32(number)).astype(np.int64)


def classified(words: str) -> str | None:
    """Return the kind of need that plain words, with single spaces between, speak of.

    A long text is read in overlapping windows, of which the surest decides. None where no kind is
    likely enough, or for a word or two, which say too little to tell by their letters.
    """
    if len(set(words.split())) < _FEWEST_WORDS:
        return None
    kinds = likely_kinds(words)
    if 1 - kinds[-1] < _model().threshold:
        return None
    return _model().kinds[int(kinds[:-1].argmax())]


def likely_kinds(words: str) -> NDArray[np.float64]:
    """Return the probability of each kind in the window that most likely speaks of one."""
    logits = _logits(f" {words} ", _model())
    likely = np.exp(logits - logits.max(axis=1, keepdims=True))
    likely /= likely.sum(axis=1, keepdims=True)
    surest: NDArray[np.float64] = likely[likely[:, -1].argmin()]
    return surest


def _logits(text: str, model: _Model) -> NDArray[np.float64]:
    """Return each window's logits, of shape (windows, kinds)."""
    window = _WINDOW if len(text) > _WHOLE else _WHOLE
    starts = np.arange(0, max(1, len(text) - window + _STEP), _STEP)
    totals = np.zeros((len(starts), len(model.kinds)))
    counts = np.zeros(len(starts))
    for length in model.lengths:
        found = buckets(text, length, len(model.numbers))
        ends = np.minimum(starts + window - length + 1, len(found))
        begins = np.minimum(starts, ends)
        sums = np.zeros((len(found) + 1, len(model.kinds)), dtype=np.int32)
        np.cumsum(model.numbers[found], axis=0, dtype=np.int32, out=sums[1:])
        totals += sums[ends] - sums[begins]
        counts += ends - begins
    return totals * model.scale / np.sqrt(np.maximum(counts, 1))[:, None] + model.bias


_model()  # when the service starts, not when somebody asks
