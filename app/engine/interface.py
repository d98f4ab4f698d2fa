"""What answering needs of a model: prompt in, tokens out as they are made.

Knows nothing about how: `client` is one in a process of its own.
"""

import secrets
from collections.abc import AsyncGenerator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple, Protocol

from app.engine.admission import Limits
from app.engine.tokenizer import Tokenizer

_LEAST_TEMPERATURE = 1e-5  # dividing by less overflows float32, and the likeliest token wins anyway


@dataclass(frozen=True, slots=True)
class Decoding:
    """How an answer is decoded. Temperature 0 is greedy: the same question, the same answer.

    No new word makes a sequence of `no_repeat_ngram_size` tokens come twice in an answer: see
    `guard`. 0 lets the model repeat itself, None leaves it to the model's default. With a `seed` a
    drawn answer is the same each time. `logprobs` asks how likely each token was, and so many of
    the likeliest beside it; None for neither. Where it is not `streamed` nobody reads along, and
    its tokens may come some at a time.
    """

    max_new_tokens: int
    temperature: float = 0.0
    top_p: float = 1.0
    top_k: int = 0
    no_repeat_ngram_size: int | None = None
    seed: int | None = None
    logprobs: int | None = None
    streamed: bool = True

    @property
    def greedy(self) -> bool:
        """Whether each token is simply the likeliest one."""
        return self.temperature < _LEAST_TEMPERATURE

    def seeded(self) -> "Decoding":
        """Return it with a seed of its own, where it draws and has none: it can be repeated."""
        if self.greedy or self.seed is not None:
            return self
        return replace(self, seed=secrets.randbits(32))


class Token(NamedTuple):
    """One generated token; `last` marks the end of the answer, and `ended` that it ended itself.

    `queue_seconds` is the time from the request to its place in the batch. `logprob` and `top`, the
    likeliest tokens with theirs, are natural logarithms, where they were asked for.
    """

    id: int
    last: bool
    ended: bool
    queue_seconds: float
    logprob: float | None = None
    top: tuple[tuple[int, float], ...] = ()


class Span(NamedTuple):
    """Tokens `begin` to `end` of a text, in so many training answers, on so many topics."""

    begin: int
    end: int
    answers: int
    topics: int


@dataclass(frozen=True, slots=True)
class Source:
    """Where a model comes from: a directory or a hub id, and there its revision."""

    name: str
    revision: str | None = None


def public_name(source: str) -> str:
    """Return what anybody may know of a source: where a directory lies is the operator's affair."""
    return Path(source).name if Path(source).is_absolute() else source


class ServedModel(Protocol):
    """What is known of a model that is served, wherever its weights are."""

    @property
    def source(self) -> str:
        """Its directory or hub id."""

    @property
    def revision(self) -> str | None:
        """Its hub commit, if it has one."""

    @property
    def tokenizer(self) -> Tokenizer:
        """Its tokenizer."""

    @property
    def parameters(self) -> int:
        """Number of weights, tied ones counted once."""

    @property
    def context_tokens(self) -> int:
        """Most tokens of prompt and answer together."""

    @property
    def device(self) -> str:
        """What it runs on."""

    @property
    def dtype(self) -> str:
        """Number format of its matrices, as answers are labelled with."""

    @property
    def no_repeat_ngram_size(self) -> int:
        """The repetition guard that it was saved with; 0: none."""


class Engine(Protocol):
    """One model that makes tokens; tests hand in a fake."""

    @property
    def checkpoint(self) -> ServedModel:
        """The model that is served."""

    @property
    def limits(self) -> Limits:
        """How much it takes on."""

    @property
    def device_reason(self) -> str:
        """Why the model runs on its device, and on no better one."""

    @property
    def process_id(self) -> int:
        """The process that the model runs in."""

    @property
    def alive(self) -> bool:
        """Whether the inference thread runs, and is not stuck."""

    @property
    def restarting(self) -> bool:
        """Whether it has ended by itself and is being started again."""

    @property
    def in_flight(self) -> int:
        """Requests admitted and not yet over."""

    @property
    def drafted(self) -> int:
        """Tokens that were guessed since the start."""

    @property
    def accepted(self) -> int:
        """How many of them were right, and so came without a step of their own."""

    def require_place(self) -> None:
        """Raise QueueFull if a request would be refused now."""

    def generate(self, prompt_ids: list[int], decoding: Decoding) -> AsyncGenerator[Token]:
        """Yield the answer's tokens; closing the generator cancels the request."""

    async def bits(self, prompt_ids: list[int], continuation_ids: list[int]) -> float:
        """Return the information in a continuation of the prompt, in bits."""

    async def spans(self, texts: list[list[int]]) -> list[list[Span]] | None:
        """Return which spans of each text stand in the answers that the model learned from.

        None where it does not know them.
        """

    def stop(self) -> None:
        """Stop the inference thread at once."""
