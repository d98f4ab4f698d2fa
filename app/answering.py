"""A question in, an answer out: prompt, text as it is made, where it stops, and what it took.

Knows nothing about HTTP. The same code runs both models, so both stop at the same text.
"""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import Literal

from app.detokenizing import AnswerText
from app.errors import DeadlineExceeded
from app.generation import Engine, Token
from app.prompting import PromptFormat
from app.sampling import Decoding

ModelName = Literal["fine-tuned", "base"]
FinishReason = Literal["end", "length"]


@dataclass(frozen=True, slots=True)
class Answer:
    """A finished answer. Times are seconds since the question arrived."""

    model: ModelName
    text: str
    finish_reason: FinishReason
    prompt_tokens: int
    completion_tokens: int
    decoding: Decoding
    queue_seconds: float
    first_token_seconds: float
    total_seconds: float


@dataclass(frozen=True, slots=True)
class Deadlines:
    """Longest times from a question to the first token and to the end of its answer."""

    queue_seconds: float
    total_seconds: float


@dataclass(frozen=True, slots=True)
class Answerer:
    """One of the two models, ready for questions."""

    model: ModelName
    engine: Engine
    prompt_format: PromptFormat
    deadlines: Deadlines
    no_repeat_ngram_size: int = 0
    """Where a request does not say; see `Decoding`."""

    async def stream(self, question: str, decoding: Decoding) -> AsyncGenerator[str | Answer]:
        """Yield the answer's text in pieces, then the finished `Answer`.

        Closing the generator cancels the answer.

        Raises:
            DeadlineExceeded: the answer was not begun or not finished in time.
            ServiceError: whatever the engine raises.

        """
        if decoding.no_repeat_ngram_size is None:
            decoding = replace(decoding, no_repeat_ngram_size=self.no_repeat_ngram_size)
        tokenizer = self.engine.checkpoint.tokenizer
        prompt_ids = self.prompt_format.encode(question, tokenizer)
        text = AnswerText(tokenizer, self.prompt_format.stop)
        clock = asyncio.get_running_loop().time
        started = clock()
        last_moment = started + self.deadlines.total_seconds
        deadline = min(last_moment, started + self.deadlines.queue_seconds)
        pieces: list[str] = []
        first: Token | None = None
        first_token_seconds = 0.0
        completion_tokens = 0
        ended = False
        async with aclosing(self.engine.generate(prompt_ids, decoding)) as tokens:
            while token := await _next_token(tokens, deadline):
                deadline = last_moment
                completion_tokens += 1
                if first is None:
                    first, first_token_seconds = token, clock() - started
                piece = text.push(token.id)
                ended = token.ended or text.stopped
                if ended or token.last:
                    piece += text.finish()
                if piece:
                    pieces.append(piece)
                    yield piece
                if ended:
                    break
        yield Answer(
            model=self.model,
            text="".join(pieces),
            finish_reason="end" if ended else "length",
            prompt_tokens=len(prompt_ids),
            completion_tokens=completion_tokens,
            decoding=decoding,
            queue_seconds=first.queue_seconds if first else 0.0,
            first_token_seconds=first_token_seconds,
            total_seconds=clock() - started,
        )

    async def answer(self, question: str, decoding: Decoding) -> Answer:
        """Return the whole answer; raises what `stream` raises."""
        async with aclosing(self.stream(question, decoding)) as pieces:
            async for piece in pieces:
                if isinstance(piece, Answer):
                    return piece
        raise AssertionError("a stream ends with its Answer")

    async def bits_per_byte(self, question: str, reference: str) -> float:
        """Return how surprising this model finds a reference answer, in bits per UTF-8 byte.

        Comparable between models whose vocabularies differ, as perplexity is not.
        """
        tokenizer = self.engine.checkpoint.tokenizer
        reference_ids = tokenizer.encode(
            reference, add_special_tokens=False, split_special_tokens=True
        )
        prompt_ids = self.prompt_format.encode(question, tokenizer)
        bits = await self.engine.bits(prompt_ids, reference_ids)
        return bits / len(reference.encode())


async def _next_token(tokens: AsyncGenerator[Token], deadline: float) -> Token | None:
    """Return the next token, or None after the last; `deadline` is on the event loop's clock."""
    try:
        async with asyncio.timeout_at(deadline):
            return await anext(tokens, None)
    except TimeoutError:
        raise DeadlineExceeded(
            "The answer was not begun, or not finished, in the time that this service allows."
        ) from None
