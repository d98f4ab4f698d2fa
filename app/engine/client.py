"""One model in a process of its own, as the server sees it: asked and heard over a socket.

The server's event loop and a model's steps would share one interpreter lock: refusals and streams
would slow down the answers that are being made. The other side of the socket is `worker`.
"""

import asyncio
import itertools
import logging
import socket
import time
from collections.abc import AsyncGenerator, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from app.engine.admission import Limits, Places
from app.engine.channel import Wire, read
from app.engine.context import answer_room, require_fit
from app.engine.interface import Decoding
from app.engine.interface import Token
from app.engine.tokenizer import Tokenizer
from app.engine.tokenizer_files import read_tokenizer
from app.errors import CheckpointError, GenerationFailed, NotReady, ServiceError

logger = logging.getLogger(__name__)

_WATCH_SECONDS = 0.5
_LATE_SECONDS = 1.0  # two of the worker's heartbeats
_GONE = "{}: its process ended while it started"
_STOPPED = "The model stopped while it made this answer."

Heard = Token | float | ServiceError


@dataclass(frozen=True, slots=True)
class RemoteModel:
    """What a worker says of the model that it has loaded, with the tokenizer in this process."""

    tokenizer: Tokenizer
    source: str
    revision: str | None
    parameters: int
    context_tokens: int
    device: str
    dtype: str
    no_repeat_ngram_size: int


class WorkerEngine:
    """The engine over a worker's socket."""

    def __init__(self, model: RemoteModel, process_id: int, limits: Limits, wire: Wire) -> None:
        self.checkpoint = model
        self.process_id = process_id
        self._places = Places(limits)
        self._patience_seconds = limits.stall_seconds + _LATE_SECONDS
        self._wire = wire
        self._numbers = itertools.count()
        self._waiting: dict[int, asyncio.Queue[Heard]] = {}
        self._says_alive = True
        self._heard_at = time.monotonic()
        self._gone = False
        self._tasks = [asyncio.create_task(each) for each in (self._hear(), self._watch())]

    @classmethod
    async def load(cls, wire: Wire, limits: Limits, **wanted: Any) -> "WorkerEngine":
        """Have a worker load a model and start its inference thread.

        Args:
            wire: to a worker that is `ready`.
            limits: how much it takes on.
            wanted: source, revision, device, dtype, cpu_threads, log_level and log_format.

        Raises:
            CheckpointError: it must not be served; names it and the reason.

        """
        wire.send({"limits": asdict(limits)} | wanted)
        answer = await wire.receive() or {"refused": _GONE.format(wanted["source"])}
        if "refused" in answer:
            wire.close()
            raise CheckpointError(answer["refused"])
        described = answer["loaded"]
        tokenizer = await asyncio.to_thread(read_tokenizer, Path(described.pop("directory")))
        model = RemoteModel(tokenizer=tokenizer, **described)
        return cls(model, answer["process_id"], limits, wire)

    @property
    def alive(self) -> bool:
        """Whether the worker is there, has spoken of late, and says that its model turns."""
        silence = time.monotonic() - self._heard_at
        return not self._gone and self._says_alive and silence < self._patience_seconds

    @property
    def in_flight(self) -> int:
        """Requests admitted and not yet over."""
        return self._places.taken

    def require_place(self) -> None:
        """Raise QueueFull if the batch and the queue are full."""
        self._places.require()

    async def generate(self, prompt_ids: list[int], decoding: Decoding) -> AsyncGenerator[Token]:
        """Yield the answer's tokens as they are made; closing the generator cancels the request.

        Raises:
            PromptTooLong: the prompt fills the context.
            QueueFull: the batch and the queue are full.
            NotReady: the model is not there.
            GenerationFailed: it died or failed while it made this answer.

        """
        answer_room(self.checkpoint, prompt_ids)
        with (
            self._places.held() as hold,
            self._asking("generate", prompt=prompt_ids, decoding=asdict(decoding)) as heard,
        ):
            last = False
            while not last:
                token = await _next(heard)
                assert isinstance(token, Token)
                last = token.last
                hold.begin()
                yield token

    async def bits(self, prompt_ids: list[int], continuation_ids: list[int]) -> float:
        """Return the information in a continuation of the prompt, in bits.

        Raises:
            PromptTooLong: prompt and continuation exceed the context.
            NotReady: the model is not there.
            GenerationFailed: it died, or memory ran out.

        """
        require_fit(self.checkpoint, prompt_ids, continuation_ids)
        with self._asking("bits", prompt=prompt_ids, continuation=continuation_ids) as heard:
            bits = await _next(heard)
            assert isinstance(bits, float)
            return bits

    def stop(self) -> None:
        """Hang up: the worker ends at once."""
        self._gone = True
        for task in self._tasks:
            task.cancel()
        self._wire.close()

    @contextmanager
    def _asking(self, what: str, **more: Any) -> Iterator[asyncio.Queue[Heard]]:
        """Ask the worker for something; it is told when nobody waits for that any longer."""
        if not self.alive:
            raise NotReady("The model is not answering questions.")
        number = next(self._numbers)
        heard: asyncio.Queue[Heard] = asyncio.Queue()
        self._waiting[number] = heard
        self._wire.send({"do": what, "number": number} | more)
        try:
            yield heard
        finally:
            if self._waiting.pop(number, None) and not self._gone:  # not yet over
                self._wire.send({"do": "cancel", "number": number})

    async def _hear(self) -> None:
        while message := await self._wire.receive():
            self._heard_at = time.monotonic()
            for number, token_id, last, ended, queue_seconds in message.get("tokens", ()):
                if heard := self._waiting.get(number):
                    heard.put_nowait(Token(token_id, last, ended, queue_seconds))
                    if last:
                        del self._waiting[number]
            if "alive" in message:
                self._says_alive = message["alive"]
            if "scored" in message:
                self._tell(message["scored"], float(message["bits"]))
            elif "failed" in message:
                self._tell(message["failed"], read(message["error"]))
        self._gone = True
        logger.error("the process of %s has ended", self.checkpoint.source)
        self._fail_all()

    async def _watch(self) -> None:
        """Fail what is asked of a worker that hangs as a whole."""
        while True:
            await asyncio.sleep(_WATCH_SECONDS)
            if time.monotonic() - self._heard_at > self._patience_seconds:
                self._fail_all()

    def _tell(self, number: int, what: Heard) -> None:
        if heard := self._waiting.pop(number, None):
            heard.put_nowait(what)

    def _fail_all(self) -> None:
        for number in list(self._waiting):
            self._waiting[number].put_nowait(GenerationFailed(_STOPPED))


async def ready(connected: socket.socket) -> Wire:
    """Return the wire to a worker, once it has imported what it needs; takes seconds.

    Raises:
        CheckpointError: it ended instead.

    """
    wire = await Wire.over(connected)
    if await wire.receive() is None:
        wire.close()
        raise CheckpointError(_GONE.format("a model"))
    return wire


async def _next(heard: asyncio.Queue[Heard]) -> Token | float:
    """Return the next thing heard, or raise it."""
    what = await heard.get()
    if isinstance(what, ServiceError):
        raise what
    return what
