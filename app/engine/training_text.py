"""The training answers as an index: how a few tokens went on there, and what stands there in full.

`finetune` leaves it beside the model as `training_text.npz`; NumPy reads it, so nothing in it is
code. It holds these arrays:

- `tokens` [tokens], uint16 or uint32: the answers one after another, the end token after each
- `order` [tokens / stride], int32: where suffixes begin, every `stride`-th, in the order of what
  stands there, read as big-endian bytes
- `stride` [], int64
- `starts` [answers], int32: where each answer begins
- `topics` [answers], int32: which topic each is about

Only every other suffix is kept, so that it takes 4 bytes a token and not 6 (3.7 million: 15 MB).
A sequence that begins in between is found by its second token.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.engine.interface import Span

FILE = "training_text.npz"

LEAST_TOKENS = 8
"""A span of fewer says little: it stands somewhere by chance."""

_PLACES = 64
"""As many places as are asked how a sequence goes on: more change nothing and take time."""


class TrainingText:
    """The index, read into memory."""

    def __init__(self, arrays: dict[str, NDArray[Any]]) -> None:
        tokens = arrays["tokens"]
        big_endian = tokens.dtype.newbyteorder(">")
        self._bytes = tokens.astype(big_endian).tobytes()
        self._size = tokens.dtype.itemsize
        self.tokens = np.frombuffer(self._bytes, big_endian)
        self._order = arrays["order"]
        self._stride = int(arrays["stride"])
        # The first 8 bytes of each suffix: NumPy searches them in a few microseconds.
        words = np.frombuffer(self._bytes + bytes(8), np.uint8)
        heads = np.lib.stride_tricks.sliding_window_view(words, 8)[self._order * self._size]
        self._heads = heads.view(">u8")[:, 0].astype(np.uint64)
        self._starts, self._topics = arrays["starts"], arrays["topics"]

    @classmethod
    def beside(cls, directory: Path) -> "TrainingText | None":
        """Read a model's index, if its directory has one.

        Raises:
            ValueError: it cannot be read; the message names it.

        """
        path = directory / FILE
        if not path.is_file():
            return None
        try:
            with np.load(path) as arrays:
                return cls({name: arrays[name] for name in arrays.files})
        except Exception as error:  # whatever a damaged archive makes of NumPy
            raise ValueError(f"{path} cannot be read: {error}") from error

    def ends(self, tail: Sequence[int]) -> NDArray[np.signedinteger]:
        """Return some places right after `tail`: none where it does not stand here.

        Of those that begin in between, the first token is not compared: it is for guesses.
        """
        found = []
        for skipped in range(self._stride):
            low, high = self._range(tail[skipped:])
            found.append(self._order[low:high][:_PLACES] + (len(tail) - skipped))
        return np.concatenate(found)

    def continuation(self, ends: NDArray[np.int64], tokens: int) -> list[int]:
        """Return the tokens that follow most of these places, one after another."""
        window = np.minimum(ends[:, None] + np.arange(tokens), len(self.tokens) - 1)
        rows = self.tokens[window].tolist()
        found: list[int] = []
        while len(found) < tokens:
            following = [row[len(found)] for row in rows]
            token = max(set(following), key=following.count)
            rows = [row for row in rows if row[len(found)] == token]
            found.append(token)
        return found

    def spans(self, text: Sequence[int], least_tokens: int) -> Iterator[Span]:
        """Yield the longest spans of a text that stand here, none within another."""
        end = 0
        for begin in range(len(text) - least_tokens + 1):
            reached = max(end, begin + least_tokens - 1)
            while reached < len(text) and len(self._places(text[begin : reached + 1])):
                reached += 1
            if reached > end and reached - begin >= least_tokens:
                end = reached
                yield Span(begin, end, *self.counts(text[begin:end]))

    def counts(self, tokens: Sequence[int]) -> tuple[int, int]:
        """Return in how many answers these tokens stand, and on how many topics those are."""
        places = self._places(tokens)
        answers = np.unique(np.searchsorted(self._starts, places, side="right") - 1)
        return len(answers), len(np.unique(self._topics[answers]))

    def _places(self, tokens: Sequence[int]) -> NDArray[np.int64]:
        """Return where these tokens begin."""
        found = []
        for skipped in range(self._stride):
            low, high = self._range(tokens[skipped:])
            places = self._order[low:high].astype(np.int64) - skipped
            places = places[places >= 0]
            for place in range(skipped):
                places = places[self.tokens[places + place] == tokens[place]]
            found.append(places)
        return np.concatenate(found)

    def _range(self, tokens: Sequence[int]) -> tuple[int, int]:
        """Return which part of the order begins with these tokens."""
        pattern = np.array(tokens, self.tokens.dtype).tobytes()
        least, most = (int.from_bytes(pattern[:8].ljust(8, fill)) for fill in (b"\0", b"\xff"))
        low = int(self._heads.searchsorted(np.uint64(least)))
        high = int(self._heads.searchsorted(np.uint64(most), side="right"))
        if len(pattern) <= 8:
            return low, high
        size, length, text = self._size, len(pattern), self._bytes

        def key(place: Any) -> bytes:
            return text[int(place) * size : int(place) * size + length]

        low = bisect_left(self._order, pattern, low, high, key=key)
        return low, bisect_right(self._order, pattern, low, high, key=key)
