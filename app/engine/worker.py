"""`python -m app.engine.worker FD`: one model and its inference thread, in a process of its own.

The server speaks to it over an open socket (`channel`). Apart from the server it has an interpreter
for itself: neither clients nor the other model's Python take from its steps. It ends when the
server does, however that ends, and when its inference thread fails: then the server starts another.
"""

import asyncio
import ctypes
import logging
import os
import signal
import socket
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from typing import Any

import numpy as np

from app import logs
from app.engine import sampling
from app.engine.admission import Limits
from app.engine.channel import Channel, Message
from app.engine.checkpoint import Checkpoint, load
from app.engine.drafting import Drafter
from app.engine.guard import RepetitionGuard, inside_words
from app.engine.interface import Decoding, Source
from app.engine.outbox import Outbox
from app.engine.requests import Generation, Request, Scoring
from app.engine.sampling import Choice
from app.engine.scheduler import Outcome, Scheduler
from app.engine.step_loop import StepLoop
from app.engine.training_text import LEAST_TOKENS, TrainingText
from app.errors import CheckpointError

logger = logging.getLogger(__name__)

_HEARTBEAT_SECONDS = 0.5
_PR_SET_PDEATHSIG = 1  # linux/prctl.h


class Worker:
    """Does what the server asks of one model; what a step made goes back as one message."""

    def __init__(
        self,
        checkpoint: Checkpoint,
        training: TrainingText | None,
        limits: Limits,
        channel: Channel,
    ) -> None:
        self._checkpoint = checkpoint
        self._training = training
        self._drafting = training if limits.drafts else None
        self._looking_up = ThreadPoolExecutor(1, thread_name_prefix="spans")
        self._channel = channel
        self._loop = asyncio.get_running_loop()
        scheduler = Scheduler(checkpoint.backend, choose, limits, drafts=limits.drafts)
        self._steps = StepLoop(scheduler, self._report, limits.stall_seconds)
        self._outbox = Outbox()

    async def run(self) -> None:
        """Serve until the server is gone or the inference thread has failed."""
        self._steps.start()
        hearing = asyncio.create_task(self._hear())
        while self._steps.running and not hearing.done():
            self._channel.send(self._beat())
            await asyncio.wait([hearing], timeout=_HEARTBEAT_SECONDS)

    async def _hear(self) -> None:
        while message := await self._channel.receive():
            number = message["number"]
            match message["do"]:
                case "generate":
                    decoding = Decoding(**message["decoding"])
                    if not decoding.streamed:
                        self._outbox.keep(number)
                    self._add(message, self._generation(message["prompt"], decoding))
                case "score":
                    self._add(message, Scoring(message["prompt"], message["continuation"]))
                case "spans":
                    self._loop.run_in_executor(
                        self._looking_up, self._look_up, number, message["texts"]
                    )
                case "cancel":
                    self._outbox.forget(number)
                    self._steps.cancel(number)

    def _add(self, message: Message, request: Request) -> None:
        request.owner = message["owner"]
        self._steps.add(message["number"], request)

    def _generation(self, prompt: list[int], decoding: Decoding) -> Generation:
        size = decoding.no_repeat_ngram_size
        guard = RepetitionGuard(prompt, size, self._inside_words) if size else None
        end = self._checkpoint.tokenizer.eos_token_id
        return Generation(prompt, decoding, end, guard, Drafter(prompt, self._drafting))

    def _look_up(self, number: int, texts: list[list[int]]) -> None:
        """Have the spans of texts sent that stand in the training answers."""
        found = None
        if self._training:
            found = [list(self._training.spans(text, LEAST_TOKENS)) for text in texts]
        self._loop.call_soon_threadsafe(
            self._channel.send, {"spans": [[number, found]]} | self._beat()
        )

    @cached_property
    def _inside_words(self) -> frozenset[int]:
        return inside_words(self._checkpoint.tokenizer)

    def _report(self, outcomes: list[Outcome]) -> None:
        """Have the outcomes of a step sent; called by the inference thread."""
        self._loop.call_soon_threadsafe(self._send, outcomes)

    def _send(self, outcomes: list[Outcome]) -> None:
        message = self._outbox.message(outcomes)
        if any(message.values()):
            self._channel.send(message | self._beat())

    def _beat(self) -> Message:
        scheduler = self._steps.scheduler
        return {
            # That the thread has ended the process's own end tells: said before, it would be taken
            # for a stuck one, which is not started again.
            "alive": self._steps.alive or not self._steps.running,
            "drafted": scheduler.drafted,
            "accepted": scheduler.accepted,
        }


def choose(logits: Any, rows: Sequence[sampling.Row]) -> list[Choice]:
    """Choose where the logits are: with NumPy, or on the device of a tensor."""
    if isinstance(logits, np.ndarray):
        return sampling.choose(logits, rows)
    from app.engine.backends.pytorch import sampling as torch_sampling

    return torch_sampling.choose(logits, rows)


def main(descriptor: int) -> None:
    """Serve one model over a socket."""
    # Whoever stops a service may tell all of its processes: answers that run are finished first.
    for told in (signal.SIGTERM, signal.SIGINT):
        signal.signal(told, signal.SIG_IGN)
    if sys.platform == "linux":  # a process that is stopped would not notice that it is alone
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    asyncio.run(_serve(socket.socket(fileno=descriptor)))
    logging.shutdown()
    os._exit(0)  # at once, whatever the inference thread is doing


async def _serve(connected: socket.socket) -> None:
    channel = await Channel.over(connected)
    channel.send({"ready": True})
    if not (message := await channel.receive()):
        return
    logs.configure(message["log_level"], message["log_format"])
    limits = Limits(**message["limits"])
    try:
        checkpoint, training = await asyncio.to_thread(_load, message, limits)
    except CheckpointError as error:
        channel.send({"refused": str(error)})
        await channel.receive()  # the server hangs up once it has read that
        return
    channel.send({"loaded": _described(checkpoint), "process_id": os.getpid()})
    await Worker(checkpoint, training, limits, channel).run()


def _load(message: Message, limits: Limits) -> tuple[Checkpoint, TrainingText | None]:
    """Load a model onto the device, and the training answers that lie beside it.

    Raises:
        CheckpointError: it must not be served; names it and the reason.

    """
    # Before PyTorch is imported: who was told to use the CPU never sees a card.
    os.environ.update(message.get("environment", {}))
    checkpoint = load(
        Source(message["source"], message["revision"]),
        device=message["device"],
        dtype=message["dtype"],
        threads=message["cpu_threads"],
        cache_tokens=limits.cache_tokens,
        models_on_card=message.get("models_on_card", 1),
    )
    try:
        training = TrainingText.beside(checkpoint.directory)
    except ValueError as error:
        raise CheckpointError(f"{message['source']}: {error}") from error
    return checkpoint, training


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
    main(int(sys.argv[1]))
