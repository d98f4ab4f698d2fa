"""One model in a process of its own, as the server sees it: asked and heard over a socket.

The server's event loop and a model's steps would share one interpreter lock: refusals and streams
would slow down the answers that are being made. The other side of the socket is `worker`. A process
that ends by itself fails what it was making, and is started again some times.
"""

import asyncio
import itertools
import logging
import socket
import time
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from app.engine.admission import Admission, Limits, asker
from app.engine.channel import Channel, Message, unpacked
from app.engine.interface import Decoding, Token
from app.engine.processes import Restarts
from app.engine.replies import Reply, Spans, next_reply, spans_of, token_of
from app.engine.tokenizer import Tokenizer
from app.engine.tokenizer_files import read_tokenizer
from app.errors import CheckpointError, GenerationFailed, NotReady, PromptTooLong

logger = logging.getLogger(__name__)

_WATCH_SECONDS = 0.5
_LATE_SECONDS = 1.0  # two of the worker's heartbeats
_GONE = "{}: its process ended while it started"
_STOPPED = "The model stopped while it made this answer."


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

    def __init__(
        self, limits: Limits, wanted: Message, restart: Callable[[], socket.socket], restarts: int
    ) -> None:
        """Prepare for a model; see `load`."""
        self.checkpoint: RemoteModel
        self.process_id = 0
        self.drafted = self.accepted = 0
        self._before = (0, 0)
        self._channel: Channel
        self.limits = limits
        self.device_reason: str = wanted.get("device_reason", "")
        self._wanted = wanted
        self._restart = restart
        self._restarts = Restarts(restarts)
        self._admission = Admission(limits)
        self._patience_seconds = limits.stall_seconds + _LATE_SECONDS
        self._numbers = itertools.count()
        self._asked: dict[int, asyncio.Queue[Reply]] = {}
        self._reported_alive = False
        self._heard_at = 0.0
        self._stopped = False
        self._tasks: list[asyncio.Task[None]] = []

    @classmethod
    async def load(
        cls,
        connected: socket.socket,
        limits: Limits,
        *,
        restart: Callable[[], socket.socket],
        restarts: int = 0,
        **wanted: Any,
    ) -> "WorkerEngine":
        """Have a worker load a model and start its inference thread.

        Args:
            connected: to a worker that has been begun.
            limits: how much it takes on.
            restart: ends the worker, begins another and returns a connection to that.
            restarts: how often that may be done within some minutes.
            wanted: source, revision, device, dtype, cpu_threads, log_level and log_format.

        Raises:
            CheckpointError: it must not be served; names it and the reason.

        """
        engine = cls(limits, wanted, restart, restarts)
        await engine._connect(connected)
        engine._tasks = [asyncio.create_task(each) for each in (engine._serve(), engine._watch())]
        return engine

    @property
    def alive(self) -> bool:
        """Whether the worker is there, has spoken of late, and says that its model takes steps."""
        silence = time.monotonic() - self._heard_at
        return self._reported_alive and silence < self._patience_seconds

    @property
    def restarting(self) -> bool:
        """Whether its process has ended, and another is being started."""
        return self._restarts.going_on

    @property
    def in_flight(self) -> int:
        """Requests admitted and not yet over."""
        return self._admission.taken

    def require_place(self) -> None:
        """Raise QueueFull if the batch and the queue are full."""
        self._admission.require()

    async def generate(self, prompt_ids: list[int], decoding: Decoding) -> AsyncGenerator[Token]:
        """Yield the answer's tokens as they are made; closing the generator cancels the request.

        An answer is cut to what the context leaves beside the prompt.

        Raises:
            PromptTooLong: the prompt fills the context.
            QueueFull: the batch and the queue are full.
            NotReady: the model is not there.
            GenerationFailed: it died or failed while it made this answer.

        """
        room = self.checkpoint.context_tokens - len(prompt_ids)
        if room < 1:
            raise PromptTooLong(
                f"The prompt has {len(prompt_ids)} tokens; the model's context holds "
                f"{self.checkpoint.context_tokens} for prompt and answer together."
            )
        decoding = replace(decoding, max_new_tokens=min(decoding.max_new_tokens, room))
        with (
            self._admission.held() as hold,
            self._asking("generate", prompt=prompt_ids, decoding=asdict(decoding)) as replies,
        ):
            last = False
            while not last:
                token = await next_reply(replies)
                assert isinstance(token, Token)
                last = token.last
                hold.begin()
                yield token

    async def bits(self, prompt_ids: list[int], continuation_ids: list[int]) -> float:
        """Return the information in a continuation of the prompt, in bits.

        It takes a place like an answer, and is never refused one: it belongs to an answer.

        Raises:
            PromptTooLong: prompt and continuation exceed the context.
            NotReady: the model is not there.
            GenerationFailed: it died, or memory ran out.

        """
        tokens = len(prompt_ids) + len(continuation_ids)
        if tokens > self.checkpoint.context_tokens:
            raise PromptTooLong(
                f"Prompt and reference have {tokens} tokens; the model's context holds "
                f"{self.checkpoint.context_tokens}."
            )
        with (
            self._admission.held(admitted=True),
            self._asking("score", prompt=prompt_ids, continuation=continuation_ids) as replies,
        ):
            bits = await next_reply(replies)
            assert isinstance(bits, float)
            return bits

    async def spans(self, texts: list[list[int]]) -> Spans | None:
        """Return which spans of each text stand in the answers that the model learned from.

        It takes no place: it is looked up beside the model, for an answer that had one.

        Raises:
            NotReady: the model is not there.
            GenerationFailed: it died.

        """
        with self._asking("spans", texts=texts) as replies:
            found = await next_reply(replies)
            assert found is None or isinstance(found, list)
            return found

    def stop(self) -> None:
        """Hang up: the worker ends at once."""
        self._stopped = True
        self._reported_alive = False
        for task in self._tasks:
            task.cancel()
        self._channel.close()

    @contextmanager
    def _asking(self, what: str, **more: Any) -> Iterator[asyncio.Queue[Reply]]:
        """Ask the worker for something; it is told when nobody waits for that any longer."""
        if not self.alive:
            raise NotReady("The model is not answering questions.")
        number = next(self._numbers)
        replies: asyncio.Queue[Reply] = asyncio.Queue()
        self._asked[number] = replies
        owner = hash(asker.get())  # salted in each process: it tells nobody who that is
        self._channel.send({"do": what, "number": number, "owner": owner} | more)
        try:
            yield replies
        finally:
            if self._asked.pop(number, None) and not self._stopped:  # not yet over
                self._channel.send({"do": "cancel", "number": number})

    async def _connect(self, connected: socket.socket) -> None:
        """Have a worker that was just begun load the model.

        Raises:
            CheckpointError: it must not be served, or the process ended.

        """
        self._channel = await Channel.over(connected)
        self._channel.send({"limits": asdict(self.limits)} | self._wanted)
        gone = {"refused": _GONE.format(self._wanted["source"])}
        begun = await self._channel.receive()  # it has imported what it needs
        answer: Message = (await self._channel.receive() if begun else None) or gone
        if "refused" in answer:
            self._channel.close()
            raise CheckpointError(answer["refused"])
        described = answer["loaded"]
        tokenizer = await asyncio.to_thread(read_tokenizer, Path(described.pop("directory")))
        self.checkpoint = RemoteModel(tokenizer=tokenizer, **described)
        self.process_id = answer["process_id"]
        self._heard_at = time.monotonic()
        self._reported_alive = True

    async def _serve(self) -> None:
        """Hear a worker to its end, and the one after it, as often as may be."""
        await self._hear()
        while await self._restarts.allowed():
            try:
                await self._connect(self._restart())
            except CheckpointError as error:
                logger.error("cannot start again: %s", error)
                continue
            self._restarts.done()
            logger.info("the process of %s has been started again", self.checkpoint.source)
            await self._hear()

    async def _hear(self) -> None:
        while message := await self._channel.receive():
            self._heard_at = time.monotonic()
            self._take(message)
        self._reported_alive = False
        self._before = (self.drafted, self.accepted)
        self._channel.close()
        logger.error("the process of %s has ended", self.checkpoint.source)
        self._fail_all()

    def _take(self, message: Message) -> None:
        self._reported_alive = message["alive"]
        self.drafted = self._before[0] + message["drafted"]
        self.accepted = self._before[1] + message["accepted"]
        for number, *fields in message.get("tokens", ()):
            token = token_of(*fields)
            self._tell(number, token, over=token.last)
        for number, bits in message.get("scored", ()):
            self._tell(number, float(bits))
        for number, spans in message.get("spans", ()):
            self._tell(number, spans_of(spans))
        for number, error in message.get("failed", ()):
            self._tell(number, unpacked(error))

    def _tell(self, number: int, reply: Reply, over: bool = True) -> None:
        if replies := self._asked.get(number):
            replies.put_nowait(reply)
            if over:
                del self._asked[number]

    async def _watch(self) -> None:
        """Fail what is asked of a model that hangs, alone or with its process."""
        while True:
            await asyncio.sleep(_WATCH_SECONDS)
            if not self.alive:
                self._fail_all()

    def _fail_all(self) -> None:
        for number in list(self._asked):
            # It stays asked: were the model to come back, it must be told to forget it.
            self._asked[number].put_nowait(GenerationFailed(_STOPPED))
