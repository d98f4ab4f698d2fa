"""Guesses of how an answer goes on, to be verified in the same step: right ones cost little.

The continuation of the longest match is guessed, in the request's own text (prompt lookup) and in
the training answers (REST, NAACL 2024). A guess never changes an answer: a token stands only if the
model would have chosen it there. How many are made follows what was right of late and what a step
of so many tokens takes, measured as the server runs.
"""

import sys
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from app.engine.training_text import TrainingText

LONGEST = 8
"""Most tokens that are guessed at once."""

_MATCHES = (2, 3, 4, 6, 8)
"""Lengths of the matches that are looked for: where a shorter one is missing, so are the longer."""

_LEAST_VARIANCE = 4.0
"""Of the tokens of steps, in tokens squared: of steps more alike, noise makes any line."""

_MEMORY = 0.9
"""What a step leaves of the weight of those before it."""


class Drafter:
    """Guesses for one request, and how often they were right of late."""

    def __init__(self, prompt: Sequence[int], training: TrainingText | None) -> None:
        self._text = _OwnText(prompt)
        self._training = training
        self._right = self._tried = 0.0

    @property
    def chance(self) -> float:
        """How likely one more guessed token is right, if those before it are; 0-1, at first 0.5."""
        return (self._right + 1) / (self._tried + 2)

    def extend(self, token: int) -> None:
        """Take the next token of the request's text."""
        self._text.append(token)

    def draft(self, tokens: int) -> list[int]:
        """Return at most so many tokens that may come next."""
        own, place = self._longest(self._text.after)
        if self._training:
            length, ends = self._longest(self._training.ends)
            if length and length >= own:
                return self._training.continuation(ends, tokens)
        return self._text.tokens(place[0], tokens) if own else []

    def _longest(self, find: Callable[[list[int]], Any]) -> tuple[int, Any]:
        """Return the length of the longest match, 0 for none, and what was found of it."""
        longest, found = 0, None
        for length in _MATCHES:
            if length > self._text.length or not len(places := find(self._text.tail(length))):
                break
            longest, found = length, places
        return longest, found

    def learn(self, drafted: int, right: int) -> None:
        """Take how many of the tokens that were guessed were right, up to the first wrong one."""
        self._right = _MEMORY * self._right + right
        self._tried = _MEMORY * self._tried + min(right + 1, drafted)


class _OwnText:
    """A request's tokens as bytes, which are searched quickly."""

    def __init__(self, tokens: Sequence[int]) -> None:
        self._bytes = bytearray(np.array(tokens, np.uint32).tobytes())

    @property
    def length(self) -> int:
        return len(self._bytes) // 4

    def append(self, token: int) -> None:
        self._bytes += token.to_bytes(4, sys.byteorder)

    def tail(self, length: int) -> list[int]:
        return self.tokens(self.length - length, length)

    def after(self, tail: Sequence[int]) -> list[int]:
        """Return the place after the last earlier occurrence of `tail`, the text's own end."""
        pattern = self._bytes[-4 * len(tail) :]
        found = len(self._bytes) - 1
        while (found := self._bytes.rfind(pattern, 0, found)) >= 0:
            if found % 4 == 0:
                return [found // 4 + len(tail)]
            found += len(pattern) - 1
        return []

    def tokens(self, begin: int, count: int) -> list[int]:
        read: list[int] = np.frombuffer(self._bytes, np.uint32)[begin : begin + count].tolist()
        return read


class StepCost:
    """What one more token adds to a step, against what a step takes anyway; learnt from steps."""

    def __init__(self) -> None:
        self._sums = np.zeros(5)  # of weights, tokens, seconds, tokens squared, tokens x seconds
        self.per_token = 0.07
        """Seconds for a token as a share of the seconds of a step of none."""

    def learn(self, tokens: int, seconds: float) -> None:
        """Take what a step of so many tokens took: a straight line through the last hundreds."""
        seen = np.array([1.0, tokens, seconds, tokens * tokens, tokens * seconds])
        self._sums = 0.995 * self._sums + seen
        weight, count, time, squares, products = self._sums.tolist()
        spread = squares - count * count / weight
        if spread < _LEAST_VARIANCE * weight:  # they were all alike
            return
        slope = (products - count * time / weight) / spread
        rest = (time - slope * count) / weight
        self.per_token = min(max(slope / rest, 0.01), 1.0) if rest > 0 else 1.0

    def room(self, tokens: int, share: float) -> int:
        """Return how many tokens more make a step of so many longer by that share of its time."""
        return int(share * (1 / self.per_token + tokens))

    def lengths(self, chances: Sequence[float]) -> list[int]:
        """Return how many tokens to guess for each running answer, the likeliest first.

        One more is worth its time while it adds more to the tokens of the step than to its seconds.
        """
        lengths = [0] * len(chances)
        tokens = expected = float(len(chances))
        guesses = (
            (chance**place, index)
            for index, chance in enumerate(chances)
            for place in range(1, LONGEST + 1)
        )
        for chance, index in sorted(guesses, reverse=True):
            if chance * (1 + self.per_token * tokens) <= expected * self.per_token:
                break
            lengths[index] += 1
            tokens += 1
            expected += chance
        return lengths
