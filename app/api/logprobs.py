"""How likely an answer's tokens were, in our own shape and in the two of OpenAI's API."""

from collections.abc import Sequence
from itertools import accumulate

from pydantic import BaseModel, Field

from app.answering.answer import AnswerToken

_PIECE = "\ufffd"  # what a piece of a character reads as


class Logprob(BaseModel):
    """A token that was likely at some place."""

    text: str
    logprob: float = Field(description="Natural logarithm of its probability.")


class TokenLogprob(Logprob):
    """A token of the answer."""

    top: list[Logprob] = Field(
        description="The likeliest tokens in its place, by the model alone: before temperature, "
        "cuts and the guard against repetition."
    )


class CompletionLogprobs(BaseModel):
    """As /v1/completions tells them: lists that run side by side."""

    tokens: list[str]
    token_logprobs: list[float]
    top_logprobs: list[dict[str, float]]
    text_offset: list[int]


class ChatLogprob(BaseModel):
    """A token that was likely; `bytes` are null where it is only a piece of a character."""

    token: str
    logprob: float
    bytes: list[int] | None


class ChatTokenLogprob(ChatLogprob):
    """A token of the answer, and the likeliest in its place."""

    top_logprobs: list[ChatLogprob]


class ChatLogprobs(BaseModel):
    """As /v1/chat/completions tells them."""

    content: list[ChatTokenLogprob]
    refusal: None = None


def own(tokens: Sequence[AnswerToken] | None) -> list[TokenLogprob] | None:
    """Return them in our own shape; None where nobody asked."""
    if tokens is None:
        return None
    return [
        TokenLogprob(
            text=token.text,
            logprob=token.logprob,
            top=[Logprob(text=text, logprob=logprob) for text, logprob in token.top],
        )
        for token in tokens
    ]


def of_completion(tokens: Sequence[AnswerToken] | None) -> CompletionLogprobs | None:
    """Return them as /v1/completions tells them; offsets are characters of the completion."""
    if tokens is None:
        return None
    lengths = [len(token.text) for token in tokens]
    return CompletionLogprobs(
        tokens=[token.text for token in tokens],
        token_logprobs=[token.logprob for token in tokens],
        top_logprobs=[dict(token.top) for token in tokens],
        text_offset=[
            end - length for end, length in zip(accumulate(lengths), lengths, strict=True)
        ],
    )


def of_chat(tokens: Sequence[AnswerToken] | None) -> ChatLogprobs | None:
    """Return them as /v1/chat/completions tells them."""
    if tokens is None:
        return None
    return ChatLogprobs(
        content=[
            ChatTokenLogprob(
                **_chat(token.text, token.logprob).model_dump(),
                top_logprobs=[_chat(text, logprob) for text, logprob in token.top],
            )
            for token in tokens
        ]
    )


def _chat(text: str, logprob: float) -> ChatLogprob:
    return ChatLogprob(
        token=text, logprob=logprob, bytes=None if _PIECE in text else list(text.encode())
    )
