"""`python -m app.engine.worker FD…`: one model and its inference thread, in a process of its own.

The server speaks to it over an open socket (`wire`). Apart from the server it has a core and an
interpreter for itself: neither clients nor the other model's Python take from its steps. It ends
when the server does, however that ends. Given several sockets it imports PyTorch once and forks
itself for each, which takes less time and memory than as many fresh processes.
"""

import asyncio
import logging
import os
import signal
import socket
import sys
import warnings
from collections.abc import Coroutine
from contextlib import aclosing
from typing import Any

import torch

from app import logs
from app.engine.admission import Limits
from app.engine.backends.cpu_threads import cpu_threads
from app.engine.backends.fitting import best_device, best_dtype, is_small
from app.engine.channel import Message, Wire, written
from app.engine.checkpoint import Checkpoint, load
from app.engine.decoding import Decoding
from app.engine.generation import BatchingEngine
from app.engine.interface import Source
from app.errors import CheckpointError, GenerationFailed, ServiceError

logger = logging.getLogger(__name__)

_HEARTBEAT_SECONDS = 0.5


class Worker:
    """Does what the server asks of one engine; what a turn of the loop made goes as one message."""

    def __init__(self, engine: BatchingEngine, wire: Wire) -> None:
        self._engine = engine
        self._wire = wire
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._made: list[list[Any]] = []

    async def run(self) -> None:
        """Serve until the server is gone."""
        beating = asyncio.create_task(self._beat())
        while message := await self._wire.receive():
            self._take(message)
        beating.cancel()

    def _take(self, message: Message) -> None:
        number = message["number"]
        match message["do"]:
            case "generate":
                decoding = Decoding(**message["decoding"])
                self._begin(number, self._generate(number, message["prompt"], decoding))
            case "bits":
                self._begin(number, self._bits(number, message["prompt"], message["continuation"]))
            case "cancel" if number in self._tasks:
                self._tasks[number].cancel()

    def _begin(self, number: int, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(self._guarded(number, work))
        self._tasks[number] = task
        task.add_done_callback(lambda _: self._tasks.pop(number))

    async def _guarded(self, number: int, work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
        except ServiceError as error:
            self._fail(number, error)
        except Exception:
            logger.exception("request %d failed", number)
            self._fail(number, GenerationFailed("The model failed while it made this answer."))

    def _fail(self, number: int, error: ServiceError) -> None:
        self._flush()
        self._wire.send({"failed": number, "error": written(error), "alive": self._engine.alive})

    async def _generate(self, number: int, prompt: list[int], decoding: Decoding) -> None:
        async with aclosing(self._engine.generate(prompt, decoding)) as tokens:
            async for token in tokens:
                if not self._made:
                    asyncio.get_running_loop().call_soon(self._flush)
                self._made.append([number, token.id, token.last, token.ended, token.queue_seconds])

    async def _bits(self, number: int, prompt: list[int], continuation: list[int]) -> None:
        self._wire.send({"scored": number, "bits": await self._engine.bits(prompt, continuation)})

    def _flush(self) -> None:
        if self._made:
            self._wire.send({"tokens": self._made})
            self._made = []

    async def _beat(self) -> None:
        while True:
            self._wire.send({"alive": self._engine.alive})
            await asyncio.sleep(_HEARTBEAT_SECONDS)


def main(descriptors: list[int]) -> None:
    """Serve one model over the first socket, and others over the rest in copies of this process."""
    # Whoever stops a service may tell all of its processes: answers that run are finished first.
    for told in (signal.SIGTERM, signal.SIGINT):
        signal.signal(told, signal.SIG_IGN)
    # Newer Pythons warn of a fork beside threads; the one here is NumPy's, which knows of forks.
    warnings.simplefilter("ignore", DeprecationWarning)
    own = 0
    for place in range(1, len(descriptors)):
        if os.fork() == 0:
            own = place
            break
    for place, descriptor in enumerate(descriptors):
        if place != own:
            os.close(descriptor)
    asyncio.run(_serve(socket.socket(fileno=descriptors[own])))
    logging.shutdown()
    os._exit(0)  # at once, whatever the inference thread is doing


async def _serve(connected: socket.socket) -> None:
    wire = await Wire.over(connected)
    wire.send({"ready": True})
    if not (message := await wire.receive()):
        return
    logs.configure(message["log_level"], message["log_format"])
    try:
        engine = await asyncio.to_thread(_load, message)
    except CheckpointError as error:
        wire.send({"refused": str(error)})
        await wire.receive()  # the server hangs up once it has read that
        return
    engine.start()
    wire.send({"loaded": _described(engine.checkpoint), "process_id": os.getpid()})
    await Worker(engine, wire).run()


def _load(message: Message) -> BatchingEngine:
    """Load a model onto the device; its inference thread is not started yet.

    Raises:
        CheckpointError: it must not be served; names it and the reason.

    """
    threads = message["cpu_threads"]
    torch.set_num_threads(threads or cpu_threads())
    device = best_device(message["device"])
    source = Source(message["source"], message["revision"])
    checkpoint = load(source, device, best_dtype(message["dtype"], device))
    if not threads and is_small(checkpoint.parameters):
        torch.set_num_threads(1)
    return BatchingEngine(checkpoint, Limits(**message["limits"]))


def _described(checkpoint: Checkpoint) -> Message:
    return {
        "directory": str(checkpoint.directory),
        "source": checkpoint.source,
        "revision": checkpoint.revision,
        "parameters": checkpoint.parameters,
        "context_tokens": checkpoint.context_tokens,
        "device": checkpoint.device,
        "dtype": checkpoint.dtype,
        "no_repeat_ngram_size": checkpoint.no_repeat_ngram_size,
    }


if __name__ == "__main__":
    main([int(descriptor) for descriptor in sys.argv[1:]])
