"""Models onto PyTorch's devices: GPT-2 by our own forward pass, other decoders by transformers.

Knows nothing about where a directory came from. Importing this imports PyTorch.
"""

import logging
from dataclasses import replace
from pathlib import Path

import torch

from app.engine.backends.card_plan import Footprint, plan
from app.engine.backends.cards import Facts
from app.engine.backends.device import Decision, decide
from app.engine.backends.device_facts import facts_found
from app.engine.backends.device_probe import found
from app.engine.backends.gpt2 import GPT2
from app.engine.backends.interface import Run
from app.engine.backends.processor import cpu_threads
from app.engine.backends.pytorch.decoder import TorchDecoder
from app.engine.backends.pytorch.gpt2 import Computing, TorchGPT2

logger = logging.getLogger(__name__)


def load(
    model: GPT2,
    *,
    device: str,
    dtype: str,
    threads: int,
    cache_tokens: int,
    models_on_card: int = 1,
    graphs: bool = False,
) -> TorchGPT2:
    """Load a GPT-2, with a cache for so many tokens, or as many as its card holds if that is fewer.

    Args:
        model: its shape and weights.
        device: as `device.decide` takes it, for one model.
        dtype: likewise.
        threads: for CPU arithmetic; 0: as many as may compute at once.
        cache_tokens: tokens of all requests together whose keys and values are kept.
        models_on_card: how many share its card, this one included.
        graphs: whether decode steps are recorded as CUDA graphs.

    Raises:
        DeviceError: the device or format cannot be had.
        CheckpointError: a weight must not be served.

    """
    decision = _decided(device, dtype, threads)
    computing = Computing(
        torch.device(decision.device),
        getattr(torch, decision.dtype),
        decision.card.capability if decision.card else None,
        graphs,
    )
    if decision.card:
        footprint = Footprint.of(model.shape, decision.dtype)
        planned = plan(decision.card.memory_bytes, models_on_card, footprint)
        cache_tokens = min(cache_tokens, planned.cache_tokens)
    loaded = TorchGPT2(model, computing, cache_tokens)
    if not decision.card:
        return loaded
    try:
        loaded.forward([Run([0], 0, [0], 1)])
    except RuntimeError as error:
        if loaded.ran_out_of_memory(error):
            raise
        logger.warning("attention over blocks fails on this card, so keys are copied: %s", error)
        del loaded
        return TorchGPT2(model, replace(computing, capability=None), cache_tokens)
    return loaded


def load_other(
    directory: Path, *, device: str, dtype: str, threads: int, cache_tokens: int
) -> TorchDecoder:
    """Load a decoder that is no GPT-2, in float32 whatever the format that is asked for.

    Raises:
        DeviceError: the device or format cannot be had.
        CheckpointError: it must not be served; says why.

    """
    decision = _decided(device, dtype, threads)
    loaded = TorchDecoder(directory, torch.device(decision.device), cache_tokens)
    logger.warning(
        "%s is no GPT-2: transformers computes it, one request after another, in float32", directory
    )
    return loaded


def _decided(device: str, dtype: str, threads: int) -> Decision:
    """Return what this process, which may touch CUDA, computes on; prepare PyTorch for it."""
    torch.set_num_threads(threads or cpu_threads())
    there = Facts(openvino=False, torch=torch.__version__)
    if device != "cpu":
        there = facts_found(there, found())
    decision = decide(device, dtype, there, models=1)[0]
    if decision.card:
        torch.cuda.set_device(torch.device(decision.device))
        torch.set_float32_matmul_precision("highest")  # TF32 has too few digits for logits
        torch.backends.cuda.matmul.allow_bf16_reduced_precision_reduction = False
        torch.backends.cuda.matmul.allow_fp16_reduced_precision_reduction = False
    logger.info("%s on %s: %s", decision.dtype, decision.device, decision.reason)
    return decision
