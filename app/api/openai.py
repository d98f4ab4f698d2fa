"""GET /v1/models, POST /v1/completions and /v1/chat/completions, as OpenAI's clients expect them.

Answers are those of /answer: greedy unless a temperature is given, by the same prompt.
"""

import time
import uuid
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import aclosing
from functools import partial
from typing import Any

from fastapi import APIRouter, Request
from pydantic import BaseModel

from app.answering.answer import Answer, AnswerToken, ModelName
from app.answering.answerer import Answerer, finished
from app.answering.service import RequestLimits, Service
from app.api.dependencies import ServiceDependency
from app.api.event_schemas import streamed
from app.api.logprobs import of_chat, of_completion
from app.api.openai_replies import (
    ChatChoice,
    ChatChunk,
    ChatChunkChoice,
    ChatCompletion,
    ChatMessage,
    Completion,
    CompletionChoice,
    CompletionFinishReason,
    CompletionUsage,
    Delta,
    ErrorResponse,
    ListedModel,
    ModelList,
)
from app.api.openai_requests import ChatRequest, CompletionFields, CompletionRequest
from app.api.reference_schemas import PassageBody
from app.api.streaming import Event, only, stream, while_connected
from app.engine.interface import Decoding
from app.errors import InvalidField, UnknownModel
from app.red_flags.notices import spoken

_COMPLETION_TOKENS = 16  # what OpenAI's API makes of a completion that does not say
_FINISH: Mapping[str, CompletionFinishReason] = {
    "end": "stop",
    "length": "length",
    "notice": "content_filter",
}
_ERRORS: dict[int | str, dict[str, Any]] = {
    "4XX": {"model": ErrorResponse},
    "5XX": {"model": ErrorResponse},
}

_STREAMED = "The whole body, or with `stream` chunks as server-sent events."

router = APIRouter(prefix="/v1", tags=["OpenAI"], responses=_ERRORS)


@router.get("/models")
async def list_models(service: ServiceDependency) -> ModelList:
    """List both models."""
    return ModelList(data=[_served(service, model) for model in service.admit()])


@router.get("/models/{model}")
async def retrieve_model(model: str, service: ServiceDependency) -> ListedModel:
    """Describe one model."""
    return _served(service, _answerer(service, model).model)


@router.post(
    "/completions",
    response_model=Completion,
    responses=streamed("CompletionEvent", _STREAMED),
)
async def create_completion(
    body: CompletionRequest, request: Request, service: ServiceDependency
) -> Any:
    """Continue a raw prompt: no question, no prompt format around it, 16 tokens by default.

    `<answer>` or `<end>` spelled in the prompt is plain text. The model's own end token ends the
    text, and so does `stop`; a client that wants the text `<end>` to end it says so there.
    """
    answerer = _answerer(service, body.model)
    service.limits.check_length(body.prompt, "prompt")
    default = min(_COMPLETION_TOKENS, service.limits.max_new_tokens)
    most = service.limits.new_tokens(body.max_tokens or default, "max_tokens")
    decoding = _decoding(body, most, body.logprobs)
    pieces = answerer.complete(body.prompt, decoding, body.stop)
    reply = partial(Completion, **_head("cmpl", answerer))
    if body.stream:
        return await stream(
            request, _events(pieces, reply, _text, [], body.include_usage, lambda _: {})
        )
    answer = await while_connected(request, finished(pieces))
    choice = _text(answer.text, _FINISH[answer.finish_reason], answer.tokens)
    return reply(choices=[choice], usage=_usage(answer))


@router.post(
    "/chat/completions",
    response_model=ChatCompletion,
    responses=streamed("ChatCompletionEvent", _STREAMED),
)
async def create_chat_completion(
    body: ChatRequest, request: Request, service: ServiceDependency
) -> Any:
    """Answer the last user message, exactly as `/answer` answers a question.

    System messages and earlier turns are accepted and not used: the models know only one
    question and its answer. Where the question speaks of an emergency, self-harm, overdose,
    poisoning or abuse, whom to call stands before the answer: chat clients show nothing else.
    """
    async with service.with_notices(body.question) as notices:
        answerer = _answerer(service, body.model)
        service.limits.check_length(body.question, "messages")
        if body.top_logprobs and not body.logprobs:
            raise InvalidField("top_logprobs", "needs logprobs to be true")
        decoding = _decoding(body, _chat_tokens(body, service.limits), body.told)
        pieces = (
            only(answerer.withhold(decoding))
            if service.suppresses_answer(notices)
            else answerer.stream(
                body.question,
                decoding,
                body.stop,
                service.reading(body.question, body.grounded, decoding.max_new_tokens),
                field="messages",
            )
        )
        before = spoken(notices)
        head = _head("chatcmpl", answerer)
        if body.stream:
            opening = [ChatChunkChoice(delta=Delta(role="assistant", content=before))]
            chunk = partial(ChatChunk, **head)
            return await stream(
                request, _events(pieces, chunk, _delta, opening, body.include_usage, _read)
            )
        answer = await while_connected(request, finished(pieces))
    choice = ChatChoice(
        message=ChatMessage(content=before + answer.text),
        finish_reason=_FINISH[answer.finish_reason],
        logprobs=of_chat(answer.tokens),
    )
    return ChatCompletion(**head, choices=[choice], usage=_usage(answer), **_read(answer))


def _served(service: Service, model: ModelName) -> ListedModel:
    return ListedModel(id=model, created=int(service.started_at))


def _answerer(service: Service, model: str) -> Answerer:
    answerers = service.admit()
    for name, answerer in answerers.items():
        if name == model:
            return answerer
    served = " and ".join(repr(name) for name in answerers)
    raise UnknownModel(f"The model {model!r} does not exist; this service has {served}.")


def _chat_tokens(body: ChatRequest, limits: RequestLimits) -> int:
    if body.max_completion_tokens is None:
        return limits.new_tokens(body.max_tokens, "max_tokens")
    if body.max_tokens is not None:
        raise InvalidField("max_tokens", "cannot be given together with max_completion_tokens")
    return limits.new_tokens(body.max_completion_tokens, "max_completion_tokens")


def _decoding(body: CompletionFields, max_new_tokens: int, logprobs: int | None) -> Decoding:
    return Decoding(
        max_new_tokens,
        temperature=0.0 if body.temperature is None else body.temperature,
        top_p=1.0 if body.top_p is None else body.top_p,
        seed=body.seed,
        logprobs=logprobs,
        streamed=bool(body.stream),
    )


def _head(kind: str, answerer: Answerer) -> dict[str, Any]:
    """Return the fields that every body and every chunk of one reply share."""
    return {
        "id": f"{kind}-{uuid.uuid4().hex}",
        "created": int(time.time()),
        "model": answerer.model,
        "system_fingerprint": answerer.engine.checkpoint.dtype,
    }


def _text(
    text: str, finish: CompletionFinishReason | None, tokens: Sequence[AnswerToken] | None = None
) -> CompletionChoice:
    return CompletionChoice(text=text, finish_reason=finish, logprobs=of_completion(tokens))


def _delta(
    text: str, finish: CompletionFinishReason | None, tokens: Sequence[AnswerToken] | None = None
) -> ChatChunkChoice:
    delta = Delta(content=text or None)
    return ChatChunkChoice(delta=delta, finish_reason=finish, logprobs=of_chat(tokens))


def _read(answer: Answer) -> dict[str, Any]:
    """Return whether an answer was made from published text, and from which."""
    passages = [PassageBody(**each._asdict()) for each in answer.passages or ()]
    return {"grounded": answer.passages is not None, "passages": passages}


def _usage(answer: Answer) -> CompletionUsage:
    return CompletionUsage(
        prompt_tokens=answer.prompt_tokens,
        completion_tokens=answer.completion_tokens,
        total_tokens=answer.prompt_tokens + answer.completion_tokens,
    )


async def _events(
    pieces: AsyncGenerator[str | Answer],
    chunk: Callable[..., BaseModel],
    choice: Callable[..., BaseModel],
    opening: Sequence[BaseModel],
    include_usage: bool,
    read: Callable[[Answer], dict[str, Any]],
) -> AsyncGenerator[Event]:
    """Yield a stream's chunks: the opening once the model has begun, the text, how it ended."""
    async with aclosing(pieces):
        async for piece in pieces:
            if opening:
                yield Event(None, chunk(choices=opening))
                opening = ()
            if isinstance(piece, str):
                yield Event(None, chunk(choices=[choice(piece, None)]))
                continue
            last = choice("", _FINISH[piece.finish_reason], piece.tokens)
            yield Event(None, chunk(choices=[last], **read(piece)))
            if include_usage:
                yield Event(None, chunk(choices=[], usage=_usage(piece)))
    yield Event(None, "[DONE]")
