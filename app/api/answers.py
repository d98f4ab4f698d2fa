"""POST /answer and POST /compare."""

import uuid
from collections.abc import AsyncGenerator, Iterable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, aclosing
from dataclasses import asdict
from typing import Any

from fastapi import APIRouter, Request

from app.answering.answer import Answer, ModelName
from app.answering.answerer import Answerer
from app.answering.comparison import Comparison, Finished, Piece, Side, compare
from app.answering.phrases import phrases
from app.answering.reading import Reading
from app.answering.service import RequestLimits, Service
from app.api.dependencies import ServiceDependency
from app.api.document import problems
from app.api.event_schemas import streamed
from app.api.logprobs import own
from app.api.reference_schemas import NoticeBody, PassageBody, ReferencesBody, Span
from app.api.references import Search, searching
from app.api.schemas import (
    AnswerRequest,
    AnswerResponse,
    CompareRequest,
    CompareResponse,
    DecodingUsed,
    Problem,
    ScoresBody,
    SideAnswer,
    SideBody,
    SideProblem,
    Timing,
    TokenBody,
    Usage,
)
from app.api.streaming import Event, gather, only, stream, wants_stream
from app.engine.interface import Decoding
from app.errors import ServiceError, problem_of
from app.red_flags.notices import Notice

_STREAMED = (
    "The whole body, or with `stream` server-sent events: `notice` for each of the notices, "
    "`token` as text is made, `references` as soon as they are found, {side}then `done` with the "
    "whole body, or `error` with a problem."
)

router = APIRouter(
    tags=["answers"], responses=problems(400, 408, 413, 415, 422, 429, 500, 503, 504)
)


@router.post(
    "/answer",
    response_model=AnswerResponse,
    responses=streamed("AnswerEvent", _STREAMED.format(side="")),
)
async def answer(body: AnswerRequest, request: Request, service: ServiceDependency) -> Any:
    """Answer a question with one of the two models."""
    async with service.with_notices(body.question) as notices:
        answerer = service.admit()[body.model]
        decoding = _decoding(body, request, service.limits)
        pieces = (
            only(answerer.withhold(decoding))
            if service.suppresses_answer(notices)
            else answerer.stream(body.question, decoding, (), _reading(body, service, decoding))
        )
        search = searching(service, body.question, body.references)
        events = _answer_events(pieces, body, _bodies(notices), search, answerer)
        return await _respond(request, body, events)


@router.post(
    "/compare",
    name="compare",
    response_model=CompareResponse,
    responses=streamed(
        "CompareEvent", _STREAMED.format(side="`side` as soon as one model is done, ")
    ),
)
async def compare_both(body: CompareRequest, request: Request, service: ServiceDependency) -> Any:
    """Ask both models the same question, decoded with the same settings.

    One side may fail and carry its problem while the other still answers.
    """
    async with service.with_notices(body.question) as notices:
        answerers = service.admit()
        decoding = _decoding(body, request, service.limits)
        reading = _reading(body, service, decoding)
        pieces = compare(answerers, body.question, decoding, body.reference, reading)
        if service.suppresses_answer(notices):
            withheld = {name: Side(each.withhold(decoding)) for name, each in answerers.items()}
            pieces = only(Comparison(withheld))
        search = searching(service, body.question, body.references)
        events = _compare_events(pieces, body, _bodies(notices), search, answerers)
        return await _respond(request, body, events)


def _decoding(
    body: AnswerRequest | CompareRequest, request: Request, limits: RequestLimits
) -> Decoding:
    """Return the decoding asked for, within the service's limits."""
    limits.check_length(body.question, "question")
    return Decoding(
        limits.new_tokens(body.max_new_tokens, "max_new_tokens"),
        body.temperature,
        body.top_p,
        body.top_k,
        body.no_repeat_ngram_size,
        body.seed,
        body.logprobs,
        streamed=wants_stream(request, body.stream),
    )


def _reading(body: AnswerRequest | CompareRequest, service: Service, decoding: Decoding) -> Reading:
    return service.reading(body.question, body.grounded, decoding.max_new_tokens)


def _bodies(notices: Iterable[Notice]) -> list[NoticeBody]:
    return [NoticeBody(**asdict(notice)) for notice in notices]


async def _respond(
    request: Request, body: AnswerRequest | CompareRequest, events: AsyncGenerator[Event]
) -> Any:
    if wants_stream(request, body.stream):
        return await stream(request, events)
    return await gather(request, events)


async def _answer_events(
    pieces: AsyncGenerator[str | Answer],
    body: AnswerRequest,
    notices: list[NoticeBody],
    searching: AbstractAsyncContextManager[Search],
    answerer: Answerer,
) -> AsyncGenerator[Event]:
    async with aclosing(pieces), searching as search:
        for notice in notices:
            yield Event("notice", notice)
        async for piece in pieces:
            if isinstance(piece, str):
                for event in _written(body.model, piece, search):
                    yield event
                continue
            done = AnswerResponse(
                notices=notices,
                id=_new_id(),
                model=piece.model,
                question=body.question,
                references=await search.found(),
                **_fields(piece),
                sentences=await search.marks(piece.text, piece.passages or ()),
                spans=await _spans(answerer, piece, body.spans),
            )
            yield Event("done", done)


async def _compare_events(
    pieces: AsyncGenerator[Piece | Finished | Comparison],
    body: CompareRequest,
    notices: list[NoticeBody],
    searching: AbstractAsyncContextManager[Search],
    answerers: Mapping[ModelName, Answerer],
) -> AsyncGenerator[Event]:
    sides: dict[ModelName, SideAnswer | SideProblem] = {}
    async with aclosing(pieces), searching as search:
        for notice in notices:
            yield Event("notice", notice)
        async for piece in pieces:
            if isinstance(piece, Piece):
                for event in _written(piece.model, piece.text, search):
                    yield event
            elif isinstance(piece, Finished):
                sides[piece.model] = side = await _side(piece.side, search, answerers, body.spans)
                yield Event("side", SideBody(model=piece.model, side=side))
            else:
                for model in piece.sides.keys() - sides.keys():
                    sides[model] = await _side(piece.sides[model], search, answerers, body.spans)
                done = CompareResponse(
                    notices=notices,
                    id=_new_id(),
                    question=body.question,
                    references=await search.found(),
                    fine_tuned=sides["fine-tuned"],
                    base=sides["base"],
                )
                yield Event("done", done)


def _written(model: ModelName, text: str, search: Search) -> Iterator[Event]:
    """Yield a piece of an answer, and the references once they are found beside it."""
    yield Event("token", TokenBody(model=model, text=text))
    search.begin()
    if (found := search.news()) is not None:
        yield Event("references", ReferencesBody(references=found))


async def _side(
    side: Side, search: Search, answerers: Mapping[ModelName, Answerer], spans: bool
) -> SideAnswer | SideProblem:
    if isinstance(side.outcome, ServiceError):
        return SideProblem(problem=Problem(**problem_of(side.outcome)))
    scores = ScoresBody(**asdict(side.scores)) if side.scores else None
    answer = side.outcome
    return SideAnswer(
        scores=scores,
        sentences=await search.marks(answer.text, answer.passages or ()),
        spans=await _spans(answerers[answer.model], answer, spans),
        **_fields(answer),
    )


async def _spans(answerer: Answerer, answer: Answer, wanted: bool) -> list[Span] | None:
    found = await phrases(answer.text, answerer.engine) if wanted else None
    return found if found is None else [Span(**asdict(each)) for each in found]


def _fields(answer: Answer) -> dict[str, Any]:
    """Return the fields that an answer has in every response."""
    return {
        "answer": answer.text,
        "finish_reason": answer.finish_reason,
        "dtype": answer.dtype,
        "grounded": answer.passages is not None,
        "passages": [PassageBody(**each._asdict()) for each in answer.passages or ()],
        "usage": Usage(
            prompt_tokens=answer.prompt_tokens, completion_tokens=answer.completion_tokens
        ),
        "decoding": DecodingUsed(**asdict(answer.decoding)),
        "timing": Timing(
            queue_ms=_milliseconds(answer.queue_seconds),
            first_token_ms=_milliseconds(answer.first_token_seconds),
            total_ms=_milliseconds(answer.total_seconds),
        ),
        "logprobs": own(answer.tokens),
    }


def _milliseconds(seconds: float) -> float:
    return round(seconds * 1_000, 3)


def _new_id() -> str:
    return uuid.uuid4().hex
