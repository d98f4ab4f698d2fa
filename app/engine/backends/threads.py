"""Which parts of a step on a CPU are worth more than one thread.

OpenMP's threads sleep between two parts, so that the other model and the server have the cores,
and a part that wakes them waits for it: about as long as one core reads a few megabytes. A step of
few tokens has hundreds of parts. So one thread takes such a step, and calls the others for what
reads more than that. Knows nothing about what the parts do.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

_FEW_TOKENS = 32
"""With more, arithmetic counts and not what is read: all threads take every part."""
_WAKING_SECONDS = 120e-6
_BYTES_PER_SECOND = 12e9
"""What one core multiplies by, out of memory."""

_step = threading.local()


def alone_with_few_tokens(model: nn.Module) -> None:
    """Make one thread take the steps of a model that have few tokens, but for what is `shared`."""
    model.register_forward_pre_hook(_begin, with_kwargs=True)
    model.register_forward_hook(_end, always_call=True)


@contextmanager
def shared(read_bytes: int) -> Iterator[None]:
    """Call the other threads of such a step for a part, if it reads enough to be worth it."""
    threads: int = getattr(_step, "threads", 1)
    if read_bytes * (1 - 1 / threads) <= _WAKING_SECONDS * _BYTES_PER_SECOND:
        yield
        return
    torch.set_num_threads(threads)
    try:
        yield
    finally:
        torch.set_num_threads(1)


def _begin(_: nn.Module, inputs: tuple[Any, ...], named: dict[str, Any]) -> None:
    ids: torch.Tensor = inputs[0] if inputs else named["input_ids"]
    if ids.numel() <= _FEW_TOKENS and (threads := torch.get_num_threads()) > 1:
        _step.threads = threads
        torch.set_num_threads(1)


def _end(*_: Any) -> None:
    if threads := getattr(_step, "threads", None):
        torch.set_num_threads(threads)
        del _step.threads
