"""What the OpenAI-compatible routes answer: whole bodies, chunks of a stream, models, errors."""

from typing import Literal

from pydantic import BaseModel, Field

from app.answering.answer import ModelName
from app.api.logprobs import ChatLogprobs, CompletionLogprobs
from app.api.reference_schemas import Grounded, PassageBody

CompletionFinishReason = Literal["stop", "length", "content_filter"]


class CompletionUsage(BaseModel):
    """Tokens by the model's own tokenizer; the end token counts as one."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int


class _Reply(BaseModel):
    id: str
    created: int = Field(description="Seconds since the Unix epoch.")
    model: ModelName
    system_fingerprint: str = Field(description="Number format of the model, such as `float32`.")
    usage: CompletionUsage | None = None


class _Choice(BaseModel):
    index: int = Field(0, description="Always 0: there is one choice.")
    finish_reason: CompletionFinishReason | None = Field(
        None,
        description="`stop`: the model's own end, or one of `stop`. `length`: cut. "
        "`content_filter`: a notice was given instead of an answer.",
    )


class CompletionChoice(_Choice):
    """The text that follows the prompt, or a piece of it."""

    text: str
    logprobs: CompletionLogprobs | None = None


class Completion(_Reply):
    """What follows the prompt: whole, or one chunk of a stream."""

    object: Literal["text_completion"] = "text_completion"
    choices: list[CompletionChoice]


class ChatMessage(BaseModel):
    """The answer."""

    role: Literal["assistant"] = "assistant"
    content: str
    refusal: None = None


class ChatChoice(_Choice):
    """The one answer."""

    message: ChatMessage
    logprobs: ChatLogprobs | None = None


class ChatCompletion(_Reply, Grounded):
    """The answer to the last user message."""

    object: Literal["chat.completion"] = "chat.completion"
    choices: list[ChatChoice]


class Delta(BaseModel):
    """What a chunk adds to the message."""

    role: Literal["assistant"] | None = Field(None, exclude_if=lambda role: role is None)
    content: str | None = Field(None, exclude_if=lambda content: content is None)


class ChatChunkChoice(_Choice):
    """A piece of the one answer."""

    delta: Delta
    logprobs: ChatLogprobs | None = None


class ChatChunk(_Reply):
    """One chunk of a streamed answer."""

    object: Literal["chat.completion.chunk"] = "chat.completion.chunk"
    choices: list[ChatChunkChoice]
    grounded: bool | None = Field(
        None,
        description="With the last piece alone, as in a whole body; so are `passages`.",
        exclude_if=lambda grounded: grounded is None,
    )
    passages: list[PassageBody] = Field([], exclude_if=lambda passages: not passages)


class ListedModel(BaseModel):
    """One of the two models."""

    id: ModelName
    object: Literal["model"] = "model"
    created: int = Field(description="When this service started, in seconds since the Unix epoch.")
    owned_by: Literal["medqa"] = "medqa"


class ModelList(BaseModel):
    """Both models."""

    object: Literal["list"] = "list"
    data: list[ListedModel]


class ErrorDetail(BaseModel):
    """What went wrong, and in which field."""

    message: str
    type: str
    param: str | None
    code: str | None


class ErrorResponse(BaseModel):
    """A failure in the shape of OpenAI's API."""

    error: ErrorDetail
