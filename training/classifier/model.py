"""What a message is to the classifier of red flags, how it is fitted, and the file that serves it.

Reads letters and hashes n-grams as app/red_flags does, which a test compares; knows nothing about
where the messages come from.
"""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from sklearn.linear_model import LogisticRegression

KINDS = ("emergency", "self_harm", "overdose", "poisoning", "abuse", "none")
LENGTHS = (3, 4, 5)  # characters of an n-gram
BUCKETS = 1 << 15
THRESHOLD = 0.82  # of not being harmless; cross-validated, see training/README.md
_REGULARISATION = 8.0
_STEPS = 120

_APOSTROPHES = re.compile("['`\u00b4\u2018\u2019\u02bc\u2032\uff07]")
_REPEATED = re.compile(r"([a-z])\1{2,}")


@dataclass(frozen=True, slots=True)
class Message:
    """A text, its place in KINDS, and how much it counts."""

    text: str
    kind: int
    weight: float = 1.0


@dataclass(frozen=True, slots=True)
class Model:
    """Weights as whole numbers of shape (BUCKETS, kinds), each kind's scale and bias."""

    numbers: NDArray[np.int8]
    scale: NDArray[np.float32]
    bias: NDArray[np.float32]

    def harm(self, texts: Sequence[str]) -> NDArray[np.float64]:
        """Return each text's probability of speaking of any kind of need."""
        logits = features(texts) @ (self.numbers * self.scale).astype(np.float64) + self.bias
        likely = np.exp(logits - logits.max(axis=1, keepdims=True))
        harmless: NDArray[np.float64] = likely[:, -1] / likely.sum(axis=1)
        return 1 - harmless

    def save(self, path: Path) -> None:
        """Write the file that the service reads; the same bytes for the same model."""
        np.savez_compressed(
            path,
            kinds=np.array(KINDS),
            lengths=np.array(LENGTHS),
            threshold=np.array(THRESHOLD),
            numbers=self.numbers,
            scale=self.scale,
            bias=self.bias,
        )


def plain_words(text: str) -> str:
    """Return lower-case words of plain letters with single spaces between."""
    letters = unicodedata.normalize("NFKD", _APOSTROPHES.sub("", text)).lower()
    kept = "".join(each for each in letters if unicodedata.category(each) not in ("Mn", "Me", "Cf"))
    return " ".join(re.sub(r"[\W_]+", " ", _REPEATED.sub(r"\1", kept)).split())


def buckets(text: str, length: int) -> NDArray[np.int64]:
    """Return the bucket of each of the text's n-grams of `length` characters."""
    codes = np.frombuffer(text.encode("utf-32-le"), dtype=np.uint32)
    count = max(0, len(codes) - length + 1)
    hashed = np.full(count, length, dtype=np.uint32)
    for offset in range(length):
        hashed = (hashed ^ codes[offset : offset + count]) * np.uint32(0x01000193)
        hashed ^= hashed >> np.uint32(15)
    return (hashed % np.uint32(BUCKETS)).astype(np.int64)


def features(texts: Sequence[str]) -> sparse.csr_matrix:
    """Return n-gram counts over the root of their number, of shape (texts, BUCKETS)."""
    found = [
        np.concatenate([buckets(f" {plain_words(text)} ", length) for length in LENGTHS])
        for text in texts
    ]
    values = np.concatenate([np.full(len(each), 1 / max(1, len(each)) ** 0.5) for each in found])
    ends = np.cumsum([0, *(len(each) for each in found)])
    matrix = sparse.csr_matrix((values, np.concatenate(found), ends), shape=(len(texts), BUCKETS))
    matrix.sum_duplicates()
    return matrix


def fitted(messages: Sequence[Message]) -> Model:
    """Return a multinomial logistic regression on the messages, rounded to 8 bits a weight."""
    regression = LogisticRegression(C=_REGULARISATION, max_iter=_STEPS, tol=1e-3)
    regression.fit(
        features([message.text for message in messages]),
        [message.kind for message in messages],
        sample_weight=[message.weight for message in messages],
    )
    weights = regression.coef_.T
    scale = np.abs(weights).max(axis=0) / 127
    return Model(
        numbers=np.round(weights / scale).astype(np.int8),
        scale=scale.astype(np.float32),
        bias=regression.intercept_.astype(np.float32),
    )
