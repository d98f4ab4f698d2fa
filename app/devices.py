"""What the models run on: device, number format, and how many threads a CPU gives them.

Knows nothing about models' files. A container's CPU quota counts, not the host's cores.
"""

import copy
import math
import os
import time
from pathlib import Path
from typing import Any

import torch
from transformers import PreTrainedModel

from app.errors import CheckpointError

_CGROUP_QUOTA = Path("/sys/fs/cgroup/cpu.max")
_TRIAL_REQUESTS = 16
_TRIAL_REPEATS = 5
_WORTHWHILE = 1.5  # rounding makes answers depend a little on what else is in the batch


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


def cpu_threads(quota_file: Path = _CGROUP_QUOTA) -> int:
    """Return how many threads may compute at once: the cores allowed, within the cgroup's quota.

    More threads than the quota (cgroup v2's `cpu.max`) would be stopped for part of every period,
    and the others would wait for them.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    allowed = cores or 1
    try:
        quota, period = quota_file.read_text().split()
    except (OSError, ValueError):
        return allowed  # no cgroup v2 here
    return allowed if quota == "max" else max(1, min(allowed, math.ceil(int(quota) / int(period))))


def best_dtype(wanted: str, device: torch.device) -> torch.dtype | None:
    """Return the dtype named, or for `auto` bfloat16 on CUDA and float32 on MPS.

    On a CPU `auto` is None: it takes a trial with the model (`faster_dtype`).
    """
    if wanted != "auto":
        named: torch.dtype = getattr(torch, wanted)
        return named
    return {"cuda": torch.bfloat16, "cpu": None}.get(device.type, torch.float32)


@torch.inference_mode()
def faster_dtype(model: PreTrainedModel) -> torch.dtype:
    """Return bfloat16 if a batch goes clearly faster through the model in it, else float32.

    Without instructions for it (AVX-512 BF16, AMX) bfloat16 is emulated and many times slower:
    there it is not even tried.
    """
    capabilities = torch.cpu.get_capabilities()
    if not capabilities.get("avx512_bf16") and not capabilities.get("amx_bf16"):
        return torch.float32
    shorter: Any = copy.deepcopy(model)
    gain = _trial(model) / _trial(shorter.to(torch.bfloat16))
    return torch.bfloat16 if gain > _WORTHWHILE else torch.float32


def _trial(model: Any) -> float:
    """Return the least seconds of some forward passes, after one that warms up."""
    ids = torch.zeros(_TRIAL_REQUESTS, 1, dtype=torch.long)
    times = []
    for _ in range(_TRIAL_REPEATS + 1):
        started = time.perf_counter()
        model(ids, use_cache=False)
        times.append(time.perf_counter() - started)
    return min(times[1:])
