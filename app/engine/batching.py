"""Transformers' continuous batching, configured for serving and guarded where it would fall over.

Knows nothing about requests' meaning. Upstream's generation thread dies of any exception; here one
that ran out of memory fails the answers it was making and turns on.
"""

import logging
import queue
import time
from typing import Any

import torch
from transformers import ContinuousBatchingConfig, GenerationConfig
from transformers.generation.continuous_batching import ContinuousBatchingManager
from transformers.generation.continuous_batching.continuous_api import ContinuousBatchProcessor

from app.engine.admission import Limits
from app.engine.backends.attention import BY_REQUEST
from app.engine.checkpoint import Checkpoint
from app.engine.sampling import processor_list

logger = logging.getLogger(__name__)


class GuardedManager(ContinuousBatchingManager):
    """Upstream's manager, whose thread survives a step without memory and shows that it turns."""

    last_turn = 0.0
    """When the thread last began a step or looked for work, on the monotonic clock."""

    def seconds_since_turn(self) -> float:
        """How long the thread has been in its present step; idle, it turns every 0.1 s."""
        return time.monotonic() - self.last_turn

    def switch_to_cb_friendly_attn(self, model: Any, auto_switch_to_flash: bool = True) -> None:
        """Accept ours, which upstream's list of names cannot have."""
        if model.config._attn_implementation != BY_REQUEST:
            super().switch_to_cb_friendly_attn(model, auto_switch_to_flash)

    def _generation_loop_body(
        self, batch_processor: ContinuousBatchProcessor, bootstrapping: bool
    ) -> bool:
        self.last_turn = time.monotonic()
        try:
            return bool(super()._generation_loop_body(batch_processor, bootstrapping))
        except (RuntimeError, MemoryError) as error:
            if not ran_out_of_memory(error):
                raise
            logger.error("a step ran out of memory; its answers fail: %s", error)
            scheduler = batch_processor.scheduler
            for state in list(scheduler.active_requests.values()):
                batch_processor._handle_request_error(error, state)
                scheduler.finish_request(state.request_id)
            return True


def ran_out_of_memory(error: Exception) -> bool:
    """Whether an error says that memory ran out: each device's allocator says so in its own way."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    return isinstance(error, RuntimeError) and "DefaultCPUAllocator" in str(error)


class _Discarded(queue.Queue[Any]):
    """Takes outputs that nobody waits for, and keeps none.

    Upstream queues without bound whatever has no handler: the last tokens of each cancelled
    request would stay there for as long as the server runs.
    """

    def put(self, item: Any, block: bool = True, timeout: float | None = None) -> None:
        del item, block, timeout


def guarded_manager(checkpoint: Checkpoint, limits: Limits) -> GuardedManager:
    """Configure upstream so that every admitted request fits its memory, and results repeat."""
    model: Any = checkpoint.model
    manager = GuardedManager(
        model,
        GenerationConfig(
            do_sample=False,  # the arg-max that `sampling` relies on
            eos_token_id=checkpoint.tokenizer.eos_token_id,
            pad_token_id=checkpoint.tokenizer.eos_token_id,
        ),
        ContinuousBatchingConfig(
            # A request's keys lie in a row: `attention` relies on it.
            page_size=checkpoint.context_tokens,
            # One page more than all running requests can ever fill: none is starved or evicted.
            num_blocks=limits.max_running + 1,
            safety_margin=0.0,
            max_batch_tokens=limits.max_batch_tokens,
            max_requests_per_batch=limits.max_running,
            allow_block_sharing=False,  # one user's prompt must not speed up another's
            auto_switch_to_flash=False,
            use_async_batching=False,
            use_cuda_graph=False,
        ),
    )
    manager.logit_processor = processor_list(checkpoint.tokenizer)
    manager.output_router.output_queue = _Discarded()
    return manager
