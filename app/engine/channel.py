"""What the server and a model's process say to each other: JSON objects, one a line.

Knows nothing about models. No pickle: what comes in can be wrong, but never code.
"""

import asyncio
import json
import socket
from typing import Any, NamedTuple

from app.errors import GenerationFailed, NotReady, PromptTooLong, QueueFull, ServiceError

Message = dict[str, Any]

_LONGEST_BYTES = 1 << 20  # a prompt has some 10,000; a step's tokens with their likeliest, 100,000
_TRAVELLING = {error.__name__: error for error in (GenerationFailed, NotReady, PromptTooLong)}


class Channel(NamedTuple):
    """Both directions of a connection between the two."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    @classmethod
    async def over(cls, connected: socket.socket) -> "Channel":
        """Speak over a connected socket."""
        return cls(*await asyncio.open_connection(sock=connected, limit=_LONGEST_BYTES))

    def send(self, message: Message) -> None:
        """Send a message; never waits, and says nothing where nobody listens any more."""
        if not self.writer.is_closing():
            line = json.dumps(message, separators=(",", ":"))
            self.writer.write(line.encode() + b"\n")

    async def receive(self) -> Message | None:
        """Return the next message, or None when the other side is gone."""
        try:
            line = await self.reader.readline()
        except ConnectionError:
            return None
        if not line.endswith(b"\n"):
            return None
        message: Message = json.loads(line)
        return message

    def close(self) -> None:
        """Hang up."""
        self.writer.close()


def packed(error: ServiceError) -> list[Any]:
    """Return an error as it travels."""
    return [type(error).__name__, str(error), error.retry_after_seconds]


def unpacked(error: list[Any]) -> ServiceError:
    """Return the error that was `packed`."""
    name, message, retry_after_seconds = error
    if name == QueueFull.__name__:
        return QueueFull(message, retry_after_seconds)
    return _TRAVELLING[name](message)
