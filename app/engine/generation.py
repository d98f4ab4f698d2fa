"""One model behind continuous batching: prompt in, tokens out as they are made.

Knows nothing about text, questions or HTTP. Requests join and leave the running batch at every
step; one inference thread per model does all the arithmetic, the event loop never waits for it.
Closing the stream of a request cancels it and frees its place.
"""

import asyncio
import logging
import math
import os
import time
import uuid
from collections.abc import AsyncGenerator

import torch
from transformers.generation.continuous_batching.requests import GenerationOutput

from app.engine.admission import Limits, Places
from app.engine.batching import guarded_manager, ran_out_of_memory
from app.engine.checkpoint import Checkpoint
from app.engine.context import answer_room, require_fit
from app.engine.interface import Decoding
from app.engine.interface import Token
from app.errors import GenerationFailed, NotReady

logger = logging.getLogger(__name__)

_LIVENESS_SECONDS = 1.0


class BatchingEngine:
    """The engine over transformers' `ContinuousBatchingManager`."""

    def __init__(self, checkpoint: Checkpoint, limits: Limits) -> None:
        self.checkpoint = checkpoint
        self.limits = limits
        self.process_id = os.getpid()
        self.places = Places(limits)
        self._manager = guarded_manager(checkpoint, limits)
        self._warm = False
        self._scoring = 0

    def start(self) -> None:
        """Start the inference thread."""
        self._manager.start()

    def stop(self) -> None:
        """Stop the inference thread at once; whatever it was making fails."""
        self._manager.stop(block=True, timeout=10.0 if self.alive else 0.1, hard_stop=True)

    @property
    def alive(self) -> bool:
        """Whether the inference thread runs, and has taken a turn within `stall_seconds`.

        A first step may build kernels, and a pause for `bits` is as long as its forward pass:
        neither is a stall.
        """
        if not self._manager.is_running():
            return False
        turning = self._manager.seconds_since_turn() < self.limits.stall_seconds
        return turning or not self._warm or self._scoring > 0

    @property
    def in_flight(self) -> int:
        """Requests admitted and not yet over."""
        return self.places.taken

    def require_place(self) -> None:
        """Raise QueueFull if the batch and the queue are full."""
        self.places.require()

    async def generate(self, prompt_ids: list[int], decoding: Decoding) -> AsyncGenerator[Token]:
        """Yield the answer's tokens as they are made; closing the generator cancels the request.

        An answer is cut to what the context leaves beside the prompt.

        Raises:
            PromptTooLong: the prompt fills the context.
            QueueFull: the batch and the queue are full.
            NotReady: the inference thread does not run.
            GenerationFailed: it died or failed while it made this answer.

        """
        room = answer_room(self.checkpoint, prompt_ids)
        with self.places.held() as hold:
            request_id = uuid.uuid4().hex
            outputs: asyncio.Queue[GenerationOutput] = asyncio.Queue()
            finished = False
            try:
                self._manager.register_result_handler(request_id, outputs.put_nowait)
                self._submit(request_id, prompt_ids, min(decoding.max_new_tokens, room), decoding)
                made = 0
                while not finished:
                    output = await self._next(outputs)
                    finished = output.is_finished()
                    for token in _tokens(output, made, self._end_ids):
                        made += 1
                        hold.begin()
                        self._warm = True
                        yield token
            finally:
                self._manager.output_router.result_handlers.pop(request_id, None)
                if not finished:
                    self._manager.cancel_request(request_id)

    async def bits(self, prompt_ids: list[int], continuation_ids: list[int]) -> float:
        """Return the information in a continuation of the prompt, in bits.

        The inference thread is paused for the one forward pass, so that the model is never used
        by two threads.

        Raises:
            PromptTooLong: prompt and continuation exceed the context.
            NotReady: the inference thread does not run.
            GenerationFailed: memory ran out.

        """
        require_fit(self.checkpoint, prompt_ids, continuation_ids)
        self._scoring += 1
        try:
            return await asyncio.to_thread(self._bits, prompt_ids, continuation_ids)
        finally:
            self._scoring -= 1

    @property
    def _end_ids(self) -> set[int | None]:
        return {self.checkpoint.tokenizer.eos_token_id}

    def _submit(
        self, request_id: str, prompt_ids: list[int], max_new_tokens: int, decoding: Decoding
    ) -> None:
        accepted = self._manager.add_request(
            prompt_ids,
            request_id=request_id,
            max_new_tokens=max_new_tokens,
            streaming=True,
            decoding=decoding,
        )
        if accepted is None:
            raise NotReady("The model is not answering questions.")

    async def _next(self, outputs: asyncio.Queue[GenerationOutput]) -> GenerationOutput:
        """Wait for the next output, but not for ever on a thread that has died."""
        while True:
            try:
                # Not `wait_for`: before Python 3.12 it makes a task of each token.
                async with asyncio.timeout(_LIVENESS_SECONDS):
                    output = await outputs.get()
            except TimeoutError:
                if self.alive:
                    continue
                raise GenerationFailed("The model stopped while it made this answer.") from None
            if output.error is not None:
                # Upstream's message may hold tensors' shapes and paths: ours to read, not theirs.
                logger.error("request %s failed: %s", output.request_id, output.error)
                raise GenerationFailed("The model failed while it made this answer.")
            return output

    @torch.inference_mode()
    def _bits(self, prompt_ids: list[int], continuation_ids: list[int]) -> float:
        model = self.checkpoint.model
        ids = torch.tensor([prompt_ids + continuation_ids], device=model.device)
        try:
            with self._manager.pause():
                logits = model(ids, use_cache=False).logits[0, len(prompt_ids) - 1 : -1]
        except (RuntimeError, MemoryError) as error:
            if ran_out_of_memory(error):
                logger.error("scoring ran out of memory: %s", error)
                raise GenerationFailed("The model failed while it scored the reference.") from None
            if self.alive:
                raise
            raise NotReady("The model is not answering questions.") from error
        targets = ids[0, len(prompt_ids) :]
        nats = torch.nn.functional.cross_entropy(logits.float(), targets, reduction="sum")
        return float(nats) / math.log(2)


def _tokens(output: GenerationOutput, made: int, end_ids: set[int | None]) -> list[Token]:
    """Return the tokens of `output` past the first `made`."""
    new = output.generated_tokens[made:]
    began = output.lifespan[0] if output.lifespan[0] > 0 else time.perf_counter()
    return [
        Token(
            id=token_id,
            last=output.is_finished() and index == len(new) - 1,
            ended=token_id in end_ids,
            queue_seconds=max(0.0, began - output.created_time),
        )
        for index, token_id in enumerate(new)
    ]
