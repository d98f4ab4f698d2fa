"""The next token of every row of a step at once: greedy or drawn, and how likely it was.

NumPy alone; `backends.pytorch.sampling` does the same where the logits are on a device. The draw of
a token is one number in (0, 1], made beforehand from the request's seed and the token's place in
its answer: it depends on nothing else that is in the batch, nor on what was guessed.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from app.engine.interface import Decoding

Floats = NDArray[np.floating[Any]]
Integers = NDArray[np.int64]

NEGLIGIBLE = 25.0
"""Temperatures below the best score: all the tokens there weigh less than float32 can tell."""


class Row(NamedTuple):
    """What becomes of one row of logits: a token is chosen, or a known one's likelihood told."""

    decoding: Decoding
    draw: float = 1.0
    banned: Sequence[int] = ()
    target: int | None = None


class Choice(NamedTuple):
    """A row's token; its log-probability and the likeliest tokens' where they were asked for.

    Those are the model's own: natural logarithms, before temperature, cuts and the guard.
    """

    token: int
    logprob: float | None = None
    top: tuple[tuple[int, float], ...] = ()


@dataclass(slots=True)
class Plan:
    """The rows of a step as arrays; each field is of those rows that it concerns."""

    banned_rows: list[int] = field(default_factory=list)
    banned_tokens: list[int] = field(default_factory=list)
    drawn: list[int] = field(default_factory=list)
    told: list[int] = field(default_factory=list)
    top: int = 0
    """Most of the likeliest tokens that a row asks for."""

    @classmethod
    def of(cls, rows: Sequence[Row]) -> "Plan":
        """Sort out what is to be done with which row."""
        plan = cls()
        for index, (decoding, _, banned, target) in enumerate(rows):
            if target is not None:
                plan.told.append(index)
                continue
            if decoding.logprobs is not None:
                plan.told.append(index)
                plan.top = max(plan.top, decoding.logprobs)
            if not decoding.greedy:
                plan.drawn.append(index)
            if banned:
                plan.banned_rows += [index] * len(banned)
                plan.banned_tokens += banned
        return plan

    def chosen(self, tokens: Sequence[int], rows: Sequence[Row]) -> list[Choice]:
        """Return the choices of these tokens, or of those that were known."""
        choices = [Choice(token) for token in tokens]
        for index in self.told:
            if (target := rows[index].target) is not None:
                choices[index] = Choice(target)
        return choices


class Draws(NamedTuple):
    """How each of some rows is drawn, shape [rows] each; top_k is at most the vocabulary."""

    temperature: Floats
    top_k: Integers
    top_p: Floats
    draw: Floats

    @classmethod
    def of(cls, rows: Sequence[Row], vocabulary: int) -> "Draws":
        """Collect them, with a top_k of 0 as the whole vocabulary."""
        return cls(
            np.array([row.decoding.temperature for row in rows], np.float32),
            np.array([min(row.decoding.top_k or vocabulary, vocabulary) for row in rows]),
            np.array([row.decoding.top_p for row in rows]),
            np.array([row.draw for row in rows]),
        )

    def cuts(self, vocabulary: int) -> bool:
        """Whether any row keeps only its likeliest tokens."""
        return bool((self.top_p < 1).any() or (self.top_k < vocabulary).any())


def draws(seed: int, tokens: int) -> list[float]:
    """Return the draw for each place of an answer, in (0, 1]: by Philox, a counter's generator."""
    stream = np.random.Generator(np.random.Philox(seed & (1 << 64) - 1))
    numbers: list[float] = (1.0 - stream.random(tokens)).tolist()
    return numbers


def choose(logits: Floats, rows: Sequence[Row]) -> list[Choice]:
    """Return what becomes of each row of `logits`, shape [rows, vocabulary]; writes into them."""
    plan = Plan.of(rows)
    known = logits[plan.told]  # a copy: as the model gave them
    if plan.banned_rows:
        logits[plan.banned_rows, plan.banned_tokens] = -np.inf
    tokens: list[int] = logits.argmax(axis=-1).tolist()
    if plan.drawn:
        how = Draws.of([rows[index] for index in plan.drawn], logits.shape[-1])
        for index, token in zip(plan.drawn, draw(logits[plan.drawn], how).tolist(), strict=True):
            tokens[index] = token
    choices = plan.chosen(tokens, rows)
    if plan.told:
        of = np.array([choices[index].token for index in plan.told])
        tell(choices, plan, rows, *_likelihood(known, of, min(plan.top, logits.shape[-1])))
    return choices


def tell(
    choices: list[Choice],
    plan: Plan,
    rows: Sequence[Row],
    logprobs: Sequence[float],
    tokens: Sequence[Sequence[int]],
    values: Sequence[Sequence[float]],
) -> None:
    """Put into the told choices how likely they were, and the likeliest tokens beside each."""
    for place, index in enumerate(plan.told):
        top = zip(tokens[place], values[place], strict=True)
        asked = rows[index].decoding.logprobs or 0
        choices[index] = Choice(choices[index].token, logprobs[place], tuple(top)[:asked])


def draw(scores: Floats, how: Draws) -> Integers:
    """Return a token for each row of `scores`, shape [rows, vocabulary].

    The rows are cut to the tokens that have any weight, a few in a thousand, before anything is
    sorted or summed. Top-k and top-p as transformers' warpers, in this order; then the token at
    which the sum of the weights reaches the draw.
    """
    peak = scores.max(axis=1)
    near = scores > (peak - NEGLIGIBLE * how.temperature)[:, None]
    row, token = near.nonzero()
    counts = near.sum(axis=1)
    column = np.arange(len(row)) - (counts.cumsum() - counts)[row]
    values = np.full((len(scores), counts.max()), -np.inf)
    values[row, column] = (scores[row, token] - peak[row]) / how.temperature[row].astype(float)
    tokens = np.zeros(values.shape, np.int64)
    tokens[row, column] = token
    if how.cuts(scores.shape[1]):
        values[values < _least(values, how)[:, None]] = -np.inf
    reached = np.exp(values).cumsum(axis=1)
    place = (reached < (how.draw * reached[:, -1])[:, None]).sum(axis=1)
    found: Integers = tokens[np.arange(len(tokens)), place]
    return found


def _least(values: Floats, how: Draws) -> Floats:
    """Return the lowest value in each row that top-k and top-p keep, shape [rows]."""
    rows, width = values.shape
    ordered = -np.sort(-values, axis=1)
    kth = ordered[np.arange(rows), np.minimum(how.top_k, width) - 1]
    shares = np.where(ordered < kth[:, None], 0.0, np.exp(ordered))
    shares /= shares.sum(axis=1, keepdims=True)
    before = shares.cumsum(axis=1) - shares
    kept = ((before < how.top_p[:, None]) & (shares > 0)).sum(axis=1)
    least: Floats = ordered[np.arange(rows), np.maximum(kept, 1) - 1]
    return np.where(how.top_p < 1, least, kth)


def _likelihood(
    logits: Floats, of: Integers, top: int
) -> tuple[list[float], list[list[int]], list[list[float]]]:
    """Return the log-probability of a token in each row, and the `top` likeliest, best first."""
    peak = logits.max(axis=1)
    total = np.exp(logits - peak[:, None]).sum(axis=1, dtype=np.float64)
    normaliser = peak + np.log(total)
    logprobs = logits[np.arange(len(of)), of] - normaliser
    tokens = np.argpartition(logits, -top, axis=1)[:, -top:] if top else np.zeros((len(of), 0), int)
    values = np.take_along_axis(logits, tokens, axis=1) - normaliser[:, None]
    order = np.argsort(-values, axis=1, kind="stable")
    tokens, values = (np.take_along_axis(each, order, axis=1) for each in (tokens, values))
    return logprobs.tolist(), tokens.tolist(), values.tolist()
