"""What a step made, as the server is told of it; what nobody reads along with goes in fewer pieces.

A message and a wake-up for each token cost the server as much as everything else that it does for
an answer. Knows nothing about the socket.
"""

from collections.abc import Iterable
from typing import Any

from app.engine.channel import Message, packed
from app.engine.scheduler import Outcome
from app.errors import ServiceError

_TOGETHER = 16
"""Most tokens that wait for each other: what is made in vain if the text ends before them."""


class Outbox:
    """Outcomes as messages. An answer's first token always goes at once: it says when it began."""

    def __init__(self) -> None:
        self._kept: dict[int, list[Any] | None] = {}

    def keep(self, number: int) -> None:
        """Let this request's tokens wait for each other."""
        self._kept[number] = None

    def forget(self, number: int) -> None:
        """Drop what waits of a request that is over or that nobody wants any more."""
        self._kept.pop(number, None)

    def message(self, outcomes: Iterable[Outcome]) -> Message:
        """Return what is to be said now of these; empty lists where nothing is."""
        message: Message = {"tokens": [], "scored": [], "failed": []}
        for number, result, over in outcomes:
            if isinstance(result, ServiceError):
                message["failed"].append([number, packed(result)])
            elif isinstance(result, float):
                message["scored"].append([number, result])
            else:
                made = [
                    [number, *(token[:4] if token.logprob is None else token)] for token in result
                ]
                message["tokens"] += self._due(number, made, over)
            if over:
                self.forget(number)
        return message

    def _due(self, number: int, made: list[Any], over: bool) -> list[Any]:
        """Return which of a request's tokens are to be said now."""
        if number not in self._kept:
            return made
        before = self._kept[number]
        made = [*(before or ()), *made]
        due = over or before is None or len(made) >= _TOGETHER
        self._kept[number] = [] if due else made
        return made if due else []
