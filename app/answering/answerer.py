"""A question or a raw prompt in, an answer out: its text as it is made, its end, what it took.

Knows nothing about HTTP. The same code runs both models, so both stop at the same text.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import TypeVar

from app.answering.answer import Answer, AnswerToken, Attempt, ModelName
from app.answering.detokenizer import AnswerText
from app.answering.prompt_format import PromptFormat
from app.answering.reading import Reading, shown
from app.answering.text_length import surely_longer
from app.engine.interface import Decoding, Engine
from app.errors import DeadlineExceeded, InvalidField, PromptTooLong, ServiceError
from app.references.passages import Passage

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Deadlines:
    """Longest times from a question to the first token and to the end of its answer."""

    queue_seconds: float
    total_seconds: float


@dataclass(frozen=True, slots=True)
class Answerer:
    """One of the two models, ready for questions; `observe` is handed each attempt as it begins.

    Its generators yield the text in pieces (of what is not streamed the first alone), then the
    finished `Answer`. Closing one cancels the answer. They raise DeadlineExceeded when it was not
    begun or not finished in time, and whatever ServiceError the engine raises; QueueFull comes at
    once where no place is free.
    """

    model: ModelName
    engine: Engine
    prompt_format: PromptFormat
    deadlines: Deadlines
    no_repeat_ngram_size: int = 0
    """Where a request does not say; see `Decoding`."""
    observe: Callable[[Attempt], None] = lambda _: None

    def stream(
        self,
        question: str,
        decoding: Decoding,
        stops: Sequence[str] = (),
        reading: Reading | None = None,
        field: str = "question",
    ) -> AsyncGenerator[str | Answer]:
        """Yield the answer to a question, up to its end or the first of the texts in `stops`.

        What there is to read is sought once a place is free. `field` is where the question came
        from, for the InvalidField that a question without any tokens is.
        """
        attempt = self._begin(question)
        tokenizer = self.engine.checkpoint.tokenizer

        async def prompt() -> list[int]:
            attempt.passages = await reading.passages() if reading else None
            return self.prompt_format.encode(question, tokenizer, shown(attempt.passages))

        return self._observed(attempt, prompt, decoding, [self.prompt_format.stop, *stops], field)

    def complete(
        self, prompt: str, decoding: Decoding, stops: Sequence[str] = ()
    ) -> AsyncGenerator[str | Answer]:
        """Yield what follows a raw prompt, which is plain text without any format around it.

        Only the model's own end token and `stops` end it: `<end>` as text is text here.
        """
        attempt = self._begin(prompt)
        tokenizer = self.engine.checkpoint.tokenizer

        async def encoded() -> list[int]:
            return tokenizer.encode(prompt)

        return self._observed(attempt, encoded, decoding, stops, "prompt")

    def _begin(self, text: str) -> Attempt:
        """Return the attempt at an answer, or refuse it before anything is prepared."""
        attempt = Attempt(self.model, text)
        self.observe(attempt)
        try:
            self.engine.require_place()
        except ServiceError as error:
            attempt.error = error
            raise
        return attempt

    async def _observed(
        self,
        attempt: Attempt,
        prompt: Callable[[], Awaitable[list[int]]],
        decoding: Decoding,
        stops: Sequence[str],
        field: str,
    ) -> AsyncGenerator[str | Answer]:
        decoding = self._resolved(decoding)
        try:
            async with aclosing(self._continue(attempt, prompt, decoding, stops, field)) as pieces:
                async for piece in pieces:
                    if isinstance(piece, Answer):
                        attempt.answer = piece
                    yield piece
        except Exception as error:
            attempt.error = error
            raise

    async def _continue(
        self,
        attempt: Attempt,
        prompt: Callable[[], Awaitable[list[int]]],
        decoding: Decoding,
        stops: Sequence[str],
        field: str,
    ) -> AsyncGenerator[str | Answer]:
        text = AnswerText(self.engine.checkpoint.tokenizer, stops)
        clock = asyncio.get_running_loop().time
        started = clock()
        last_moment = started + self.deadlines.total_seconds
        deadline = min(last_moment, started + self.deadlines.queue_seconds)
        prompt_ids = await _in_time(prompt(), deadline)
        if not prompt_ids:  # some tokenizers drop white space, and a model must read something
            raise InvalidField(field, f"becomes no tokens for the model {self.model!r}")
        attempt.prompt_tokens = len(prompt_ids)
        pieces: list[str] = []
        made: list[AnswerToken] = []
        ended = False
        async with aclosing(self.engine.generate(prompt_ids, decoding)) as tokens:
            while token := await _in_time(anext(tokens, None), deadline):
                deadline = last_moment
                attempt.count_token(clock() - started, token.queue_seconds, self.engine.in_flight)
                if token.logprob is not None:
                    made.append(self._token(token.id, token.logprob, token.top))
                piece = text.push(token.id)
                ended = token.ended or text.stopped
                if ended or token.last:
                    piece += text.finish()
                if piece:
                    pieces.append(piece)
                    if decoding.streamed or len(pieces) == 1:  # the first says that it has begun
                        yield piece
                if ended:
                    break
        whole = "".join(pieces)
        yield self._answer(attempt, decoding, whole, ended, made, clock() - started)

    def _answer(
        self,
        attempt: Attempt,
        decoding: Decoding,
        text: str,
        ended: bool,
        made: Sequence[AnswerToken],
        seconds: float,
    ) -> Answer:
        return Answer(
            model=self.model,
            dtype=self.engine.checkpoint.dtype,
            text=text,
            finish_reason="end" if ended else "length",
            prompt_tokens=attempt.prompt_tokens,
            completion_tokens=attempt.completion_tokens,
            decoding=decoding,
            queue_seconds=attempt.queue_seconds,
            first_token_seconds=attempt.first_token_seconds or 0.0,
            total_seconds=seconds,
            passages=attempt.passages,
            tokens=None if decoding.logprobs is None else made,
        )

    def _token(
        self, token_id: int, logprob: float, top: Sequence[tuple[int, float]]
    ) -> AnswerToken:
        decode = self.engine.checkpoint.tokenizer.decode
        likeliest = [(decode([other]), value) for other, value in top]
        return AnswerToken(decode([token_id]), logprob, likeliest)

    async def answer(self, question: str, decoding: Decoding) -> Answer:
        """Return the whole answer; raises what `stream` raises."""
        return await finished(self.stream(question, decoding))

    def withhold(self, decoding: Decoding) -> Answer:
        """Return the answer that was not made, because a notice is given instead."""
        decoding = self._resolved(decoding)
        dtype = self.engine.checkpoint.dtype
        return Answer(self.model, dtype, "", "notice", 0, 0, decoding, 0.0, 0.0, 0.0)

    def _resolved(self, decoding: Decoding) -> Decoding:
        """Return a decoding with nothing left open, so that whoever reads it can repeat it."""
        if decoding.no_repeat_ngram_size is None:
            decoding = replace(decoding, no_repeat_ngram_size=self.no_repeat_ngram_size)
        return decoding.seeded()

    async def bits_per_byte(
        self, question: str, reference: str, passages: Sequence[Passage] | None = None
    ) -> float | None:
        """Return how surprising this model finds a reference answer, in bits per UTF-8 byte.

        Comparable between models whose vocabularies differ, as perplexity is not. None where the
        reference becomes no tokens: nothing of it was read, and 0 bits would be a perfect score.

        Raises:
            PromptTooLong: the reference does not fit into the model's context beside the prompt.
            DeadlineExceeded: it was not read in the time that an answer has.

        """
        tokenizer = self.engine.checkpoint.tokenizer
        most = self.engine.checkpoint.context_tokens
        if await surely_longer(reference, most, tokenizer):
            raise PromptTooLong(f"The reference has more than {most} tokens.")
        reference_ids = tokenizer.encode(reference)
        if not reference_ids:
            return None
        prompt_ids = self.prompt_format.encode(question, tokenizer, shown(passages))
        try:
            async with asyncio.timeout(self.deadlines.total_seconds):
                bits = await self.engine.bits(prompt_ids, reference_ids)
        except TimeoutError:
            raise DeadlineExceeded("The reference was not scored in time.") from None
        return bits / len(reference.encode())


async def finished(pieces: AsyncGenerator[str | Answer]) -> Answer:
    """Return the `Answer` that the pieces end with."""
    async with aclosing(pieces):
        async for piece in pieces:
            if isinstance(piece, Answer):
                return piece
    raise AssertionError("a stream ends with its Answer")


async def _in_time(awaited: Awaitable[Result], deadline: float) -> Result:
    """Return what is awaited; `deadline` is on the event loop's clock."""
    try:
        async with asyncio.timeout_at(deadline):
            return await awaited
    except TimeoutError:
        raise DeadlineExceeded(
            "The answer was not begun, or not finished, in the time that this service allows."
        ) from None
