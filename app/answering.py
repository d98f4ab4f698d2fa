"""A question or a raw prompt in, an answer out: its text as it is made, its end, what it took.

Knows nothing about HTTP. The same code runs both models, so both stop at the same text.
"""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Literal

from app.detokenizing import AnswerText
from app.errors import DeadlineExceeded
from app.generation import Engine, Token
from app.prompting import PromptFormat, plain_ids
from app.sampling import Decoding

ModelName = Literal["fine-tuned", "base"]
FinishReason = Literal["end", "length"]


@dataclass(frozen=True, slots=True)
class Answer:
    """A finished answer; "end" is the model's own end or a stop text. Times are seconds."""

    model: ModelName
    text: str
    finish_reason: FinishReason
    prompt_tokens: int
    completion_tokens: int
    queue_seconds: float
    first_token_seconds: float
    total_seconds: float


@dataclass(frozen=True, slots=True)
class Answerer:
    """One of the two models, ready for questions.

    Its generators yield the text in pieces, then the finished `Answer`. Closing one cancels the
    answer. They raise DeadlineExceeded when it was not finished within `timeout_seconds`, and
    whatever ServiceError the engine raises.
    """

    model: ModelName
    engine: Engine
    prompt_format: PromptFormat
    timeout_seconds: float

    def stream(
        self, question: str, decoding: Decoding, stops: Sequence[str] = ()
    ) -> AsyncGenerator[str | Answer]:
        """Yield the answer to a question, up to its end or the first of the texts in `stops`."""
        prompt_ids = self.prompt_format.encode(question, self.engine.checkpoint.tokenizer)
        return self._continue(prompt_ids, decoding, [self.prompt_format.stop, *stops])

    def complete(
        self, prompt: str, decoding: Decoding, stops: Sequence[str] = ()
    ) -> AsyncGenerator[str | Answer]:
        """Yield what follows a raw prompt, which is plain text without any format around it.

        Only the model's own end token and `stops` end it: `<end>` as text is text here.
        """
        prompt_ids = plain_ids(prompt, self.engine.checkpoint.tokenizer)
        return self._continue(prompt_ids, decoding, stops)

    async def _continue(
        self, prompt_ids: list[int], decoding: Decoding, stops: Sequence[str]
    ) -> AsyncGenerator[str | Answer]:
        text = AnswerText(self.engine.checkpoint.tokenizer, stops)
        clock = asyncio.get_running_loop().time
        started = clock()
        pieces: list[str] = []
        first: Token | None = None
        first_token_seconds = 0.0
        completion_tokens = 0
        ended = False
        async with aclosing(self.engine.generate(prompt_ids, decoding)) as tokens:
            while token := await _next_token(tokens, started + self.timeout_seconds):
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
            queue_seconds=first.queue_seconds if first else 0.0,
            first_token_seconds=first_token_seconds,
            total_seconds=clock() - started,
        )

    async def answer(self, question: str, decoding: Decoding) -> Answer:
        """Return the whole answer; raises what `stream` raises."""
        return await finished(self.stream(question, decoding))

    async def bits_per_byte(self, question: str, reference: str) -> float:
        """Return how surprising this model finds a reference answer, in bits per UTF-8 byte.

        Comparable between models whose vocabularies differ, as perplexity is not.
        """
        tokenizer = self.engine.checkpoint.tokenizer
        reference_ids = plain_ids(reference, tokenizer)
        prompt_ids = self.prompt_format.encode(question, tokenizer)
        bits = await self.engine.bits(prompt_ids, reference_ids)
        return bits / len(reference.encode())


async def finished(pieces: AsyncGenerator[str | Answer]) -> Answer:
    """Return the `Answer` that the pieces end with."""
    async with aclosing(pieces):
        async for piece in pieces:
            if isinstance(piece, Answer):
                return piece
    raise AssertionError("a stream ends with its Answer")


async def _next_token(tokens: AsyncGenerator[Token], deadline: float) -> Token | None:
    """Return the next token, or None after the last; `deadline` is on the event loop's clock."""
    try:
        async with asyncio.timeout_at(deadline):
            return await anext(tokens, None)
    except TimeoutError:
        raise DeadlineExceeded("The answer took longer than this service allows.") from None
