"""What the models run on: device, number format, and how many threads a CPU gives them.

Knows nothing about models' files. A container's CPU quota counts, not the host's cores.
"""

import copy
import math
import time
from typing import Any

import torch
from transformers import PreTrainedModel

from app.engine.backends.packing import can_pack, pack
from app.engine.backends.quantizing import check_int8, quantize
from app.errors import CheckpointError

_TRIAL_REQUESTS = 16
_TRIAL_REPEATS = 5
_SMALL_PARAMETERS = 50_000_000  # GPT-2 has 124M, the demo pair 10M
_WORTHWHILE = 1.25  # rounding must pay: answers then depend a little on what else is in the batch


def best_device(wanted: str) -> torch.device:
    """Return the device named, or for `auto` CUDA, else MPS, else the CPU.

    Raises:
        CheckpointError: the name is no device, or this machine has none of that kind.

    """
    if wanted != "auto":
        try:
            torch.empty(0, device=wanted)
        except (RuntimeError, AssertionError) as error:
            reason = str(error).splitlines()[0]
            raise CheckpointError(f"device {wanted!r} cannot be used: {reason}") from error
        return torch.device(wanted)
    if torch.cuda.is_available():
        return torch.device("cuda")
    return torch.device("mps" if torch.backends.mps.is_available() else "cpu")


def is_small(parameters: int) -> bool:
    """Whether a step of a model is too short for threads to share: they wait for each other."""
    return parameters < _SMALL_PARAMETERS


def best_dtype(wanted: str, device: torch.device) -> torch.dtype | None:
    """Return the dtype named, or for `auto` bfloat16 on CUDA and float32 on MPS.

    On a CPU `auto` is None: it takes a trial with the model (`fitted`). It is never int8.

    Raises:
        CheckpointError: it is int8, and the device has no use for it.

    """
    if wanted != "auto":
        named: torch.dtype = getattr(torch, wanted)
        if named == torch.int8:
            check_int8(device)
        return named
    return {"cuda": torch.bfloat16, "cpu": None}.get(device.type, torch.float32)


def fitted(model: PreTrainedModel, dtype: torch.dtype | None) -> PreTrainedModel:
    """Return a model as it runs fastest on this CPU: its matrices packed or not, in which format.

    Without a dtype it is float32, or bfloat16 where that is clearly faster; never where it is
    emulated (no AVX-512 BF16, no AMX), which is many times slower. A small model is bound by other
    things and stays as it is: what is served must not turn on a moment's noise.
    """
    if dtype == torch.int8:
        quantize(model)
        return model
    if is_small(model.num_parameters()):
        return _to(model, dtype or torch.float32)
    tried = [(each, form) for each in _formats(dtype) for form in (False, True)]
    best, best_seconds = model, math.inf
    for each, packed in tried:
        if packed and not can_pack(each):
            continue
        copied = _to(copy.deepcopy(model), each)
        if packed:
            pack(copied)
        seconds = _trial(copied)
        rounds = each != torch.float32 and best.dtype == torch.float32 and dtype is None
        if seconds * (_WORTHWHILE if rounds else 1.0) < best_seconds:
            best, best_seconds = copied, seconds
    return best


def _formats(dtype: torch.dtype | None) -> list[torch.dtype]:
    if dtype is not None:
        return [dtype]
    capabilities = torch.cpu.get_capabilities()
    fast = capabilities.get("avx512_bf16") or capabilities.get("amx_bf16")
    return [torch.float32, torch.bfloat16] if fast else [torch.float32]


def _to(model: Any, dtype: torch.dtype) -> PreTrainedModel:
    converted: PreTrainedModel = model.to(dtype)
    return converted


@torch.inference_mode()
def _trial(model: Any) -> float:
    """Return the least seconds of a step of one request and a step of many, one after another."""
    return sum(_least_seconds(model, requests) for requests in (1, _TRIAL_REQUESTS))


def _least_seconds(model: Any, requests: int) -> float:
    ids = torch.zeros(requests, 1, dtype=torch.long)
    times = []
    for _ in range(_TRIAL_REPEATS + 1):
        started = time.perf_counter()
        model(ids, use_cache=False)
        times.append(time.perf_counter() - started)
    return min(times[1:])
