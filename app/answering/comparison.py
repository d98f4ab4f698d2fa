"""One question to both models: each side has its own outcome, and scores against a reference.

Knows nothing about HTTP. One side may fail while the other still answers.
"""

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from dataclasses import dataclass

from app.answering.answer import Answer, ModelName
from app.answering.answerer import Answerer
from app.answering.one_thread import beside
from app.answering.reading import Reading
from app.answering.scores import rouge_l, token_f1
from app.engine.interface import Decoding
from app.errors import PromptTooLong, ServiceError


@dataclass(frozen=True, slots=True)
class Scores:
    """How near an answer comes to a reference, and how well its model predicts the reference.

    `rouge_l` and `token_f1` (SQuAD's) are F1 measures in 0-1 over lower-case words;
    `bits_per_byte` is None when the reference does not fit into the model's context beside the
    prompt, or becomes no tokens.
    """

    rouge_l: float
    token_f1: float
    bits_per_byte: float | None


@dataclass(frozen=True, slots=True)
class Side:
    """One model's outcome: an answer with its scores (if a reference was given), or an error."""

    outcome: Answer | ServiceError
    scores: Scores | None = None


@dataclass(frozen=True, slots=True)
class Piece:
    """A piece of one model's answer, in the order the pieces were made."""

    model: ModelName
    text: str


@dataclass(frozen=True, slots=True)
class Finished:
    """One model's outcome, as soon as it has one."""

    model: ModelName
    side: Side


@dataclass(frozen=True, slots=True)
class Comparison:
    """Both outcomes, once both models are done."""

    sides: Mapping[ModelName, Side]


async def compare(
    answerers: Mapping[ModelName, Answerer],
    question: str,
    decoding: Decoding,
    reference: str | None,
    reading: Reading | None = None,
) -> AsyncGenerator[Piece | Finished | Comparison]:
    """Yield both answers' pieces and outcomes as they come, then the finished `Comparison`.

    A failure is told once the other model has something to say: until then both may fail, and
    that is the request's own failure. Closing the generator cancels both answers.

    Raises:
        ServiceError: no model answered; the first one's error.

    """
    events: asyncio.Queue[Piece | ModelName] = asyncio.Queue()  # a name: that model is done
    decoding = decoding.seeded()  # one for both: either side's repeats the comparison

    async def run(answerer: Answerer) -> Side:
        try:
            return await _run_side(answerer, question, decoding, reference, reading, events)
        finally:
            events.put_nowait(answerer.model)

    tasks = {model: asyncio.create_task(run(answerer)) for model, answerer in answerers.items()}
    sides: dict[ModelName, Side] = {}
    untold: list[Finished] = []
    begun = False
    try:
        while len(sides) < len(tasks):
            event = await events.get()
            if isinstance(event, Piece):
                begun = True
                yield event
            else:
                sides[event] = await tasks[event]
                untold.append(Finished(event, sides[event]))
                begun = begun or isinstance(sides[event].outcome, Answer)
            while begun and untold:
                yield untold.pop(0)
        yield _comparison(sides)
    finally:
        for task in tasks.values():
            task.cancel()
        await asyncio.gather(*tasks.values(), return_exceptions=True)


def _comparison(sides: dict[ModelName, Side]) -> Comparison:
    errors = [side.outcome for side in sides.values() if isinstance(side.outcome, ServiceError)]
    if len(errors) == len(sides):
        raise errors[0]
    return Comparison(sides)


async def _run_side(
    answerer: Answerer,
    question: str,
    decoding: Decoding,
    reference: str | None,
    reading: Reading | None,
    events: asyncio.Queue[Piece | ModelName],
) -> Side:
    try:
        async with aclosing(answerer.stream(question, decoding, (), reading)) as pieces:
            async for piece in pieces:
                if isinstance(piece, Answer):
                    answer = piece
                else:
                    events.put_nowait(Piece(answerer.model, piece))
        scores = await _score(answerer, question, answer, reference) if reference else None
    except ServiceError as error:
        return Side(error)
    return Side(answer, scores)


async def _score(answerer: Answerer, question: str, answer: Answer, reference: str) -> Scores:
    try:
        bits_per_byte = await answerer.bits_per_byte(question, reference, answer.passages)
    except PromptTooLong:
        bits_per_byte = None
    return await beside(_scores, reference, answer.text, bits_per_byte)


def _scores(reference: str, answer: str, bits_per_byte: float | None) -> Scores:
    return Scores(rouge_l(reference, answer), token_f1(reference, answer), bits_per_byte)
