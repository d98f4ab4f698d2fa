"""An answer, finished or still being made, and what it took.

Knows nothing about how answers are made.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from app.engine.interface import Decoding
from app.references.passages import Passage

ModelName = Literal["fine-tuned", "base"]
FinishReason = Literal["end", "length", "notice"]


@dataclass(frozen=True, slots=True)
class AnswerToken:
    """A token that was made, with the natural logarithm of its probability, and the likeliest."""

    text: str
    logprob: float
    top: Sequence[tuple[str, float]]


@dataclass(frozen=True, slots=True)
class Answer:
    """A finished answer; "end" is the model's own end or a stop text. Times are seconds.

    "notice": nothing was generated, because a notice is given instead. `dtype` is the number format
    of the model that made it.
    """

    model: ModelName
    dtype: str
    text: str
    finish_reason: FinishReason
    prompt_tokens: int
    completion_tokens: int
    decoding: Decoding
    queue_seconds: float
    first_token_seconds: float
    total_seconds: float
    passages: Sequence[Passage] | None = None
    """What the model was given to read; none of them: it was told that nothing was found."""
    tokens: Sequence[AnswerToken] | None = None
    """Where log-probabilities were asked for: its tokens, the end token and stop text included."""


@dataclass(slots=True)
class Attempt:
    """What is known of an answer from its first moment to whatever end: for those who observe.

    Times are seconds since the question arrived; `asked_at` is that moment in Unix time. `answer`
    is set once it is finished, `error` if it failed, neither if it was cancelled. `in_flight` is
    how many requests the engine had when the first token came.
    """

    model: ModelName
    question: str
    asked_at: float = field(default_factory=time.time)
    prompt_tokens: int = 0
    completion_tokens: int = 0
    in_flight: int = 0
    passages: Sequence[Passage] | None = None
    queue_seconds: float = 0.0
    first_token_seconds: float | None = None
    answer: Answer | None = None
    error: Exception | None = None

    def count_token(self, seconds: float, queue_seconds: float, in_flight: int) -> None:
        """Count a token that came; of the first, note when, and how full the engine was."""
        self.completion_tokens += 1
        if self.first_token_seconds is None:
            self.first_token_seconds = seconds
            self.queue_seconds = queue_seconds
            self.in_flight = in_flight
