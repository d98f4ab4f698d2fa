"""What comes back from a model's process for one request, as JSON brought it and as it is used."""

import asyncio
from collections.abc import Sequence

from app.engine.interface import Span, Token
from app.errors import ServiceError

Spans = list[list[Span]]
Reply = Token | float | Spans | None | ServiceError


def token_of(
    token_id: int,
    last: bool,
    ended: bool,
    queue_seconds: float,
    logprob: float | None = None,
    top: Sequence[tuple[int, float]] = (),
) -> Token:
    """Return a token as it was sent; JSON has lists where it has tuples."""
    likeliest = tuple((other, other_logprob) for other, other_logprob in top)
    return Token(token_id, last, ended, queue_seconds, logprob, likeliest)


def spans_of(sent: list[list[Sequence[int]]] | None) -> Spans | None:
    """Return spans as they were sent."""
    return sent if sent is None else [[Span(*each) for each in text] for text in sent]


async def next_reply(replies: asyncio.Queue[Reply]) -> Token | float | Spans | None:
    """Return the next reply, or raise it."""
    reply = await replies.get()
    if isinstance(reply, ServiceError):
        raise reply
    return reply
