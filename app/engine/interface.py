"""What answering needs of a model: prompt in, tokens out as they are made.

Knows nothing about how. `generation` is one in this process, `worker_engine` one in another.
"""

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Protocol

from app.engine.decoding import Decoding
from app.engine.tokenizer import Tokenizer


@dataclass(frozen=True, slots=True)
class Token:
    """One generated token; `last` marks the end of the answer, and `ended` that it ended itself.

    `queue_seconds` is the time from the request to its place in the batch.
    """

    id: int
    last: bool
    ended: bool
    queue_seconds: float


@dataclass(frozen=True, slots=True)
class Source:
    """Where a model comes from: a directory or a hub id, and there its revision."""

    name: str
    revision: str | None = None


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
    def process_id(self) -> int:
        """The process that the model runs in."""

    @property
    def alive(self) -> bool:
        """Whether the inference thread runs, and is not stuck."""

    @property
    def in_flight(self) -> int:
        """Requests admitted and not yet over."""

    def require_place(self) -> None:
        """Raise QueueFull if a request would be refused now."""

    def generate(self, prompt_ids: list[int], decoding: Decoding) -> AsyncGenerator[Token]:
        """Yield the answer's tokens; closing the generator cancels the request."""

    async def bits(self, prompt_ids: list[int], continuation_ids: list[int]) -> float:
        """Return the information in a continuation of the prompt, in bits."""

    def stop(self) -> None:
        """Stop the inference thread at once."""
