"""What only a device of PyTorch's is asked: waits of the host, CUDA graphs, memory.

Knows nothing about models but how to have one read. Importing this imports PyTorch.
"""

import time
import warnings
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode

from app.engine.backends.interface import Run
from app.engine.backends.pytorch.gpt2 import TorchGPT2
from app.engine.checks.subject import Finding, Subject, array
from app.engine.interface import Decoding
from app.engine.sampling import Row

_RUNNING = 16
_REPEATS = 50
_WAITING = ("_local_scalar_dense", "nonzero", "multinomial", "masked_select")
"""What makes the host wait for a device: the shape or value of its result is needed at once."""


class _Waits(TorchDispatchMode):
    """Counts what would make a host wait, on a CPU, where nothing does."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call] # PyTorch leaves it untyped
        self.count = 0

    def __torch_dispatch__(
        self, function: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        self.count += any(name in str(function) for name in _WAITING)
        return function(*args, **(kwargs or {}))


def exhaust(device: torch.device) -> None:
    """Ask for more memory than there is."""
    wanted = 1 << 60
    if device.type == "cuda":
        wanted = 2 * torch.cuda.get_device_properties(device).total_memory
    torch.empty(wanted, dtype=torch.uint8, device=device)


def host_waits(subject: Subject) -> Finding:
    """Count how often a decode step, draws included, makes the host wait: once, for its tokens."""
    runs = _decoding(subject)
    rows = [Row(Decoding(8, temperature=0.7, top_p=0.9), 0.5, [3, 4]) for _ in runs]

    def step() -> None:
        subject.choose(subject.backend.forward(runs), rows)

    step()  # kernels are loaded at the first
    if torch.device(subject.checkpoint.device).type == "cuda":
        with warnings.catch_warnings(record=True) as waits:
            warnings.simplefilter("always")
            torch.cuda.set_sync_debug_mode("warn")
            try:
                step()
            finally:
                torch.cuda.set_sync_debug_mode("default")
        count = sum("synchroniz" in str(each.message) for each in waits)
    else:
        with _Waits() as counted:
            step()
        count = counted.count + 1  # fetching the tokens is none here
    off = f"a decode step makes the host wait {count} times" if count > 1 else None
    return Finding("waits of the host in a step", {"waits": count}, off)


def graphs(subject: Subject) -> Finding:
    """Compare recorded decode steps with launched ones: the same logits, and how much faster."""
    name, backend = "CUDA graphs", subject.backend
    if torch.device(subject.checkpoint.device).type != "cuda":
        return Finding(name, {"tried": False})
    assert isinstance(backend, TorchGPT2)
    runs = _decoding(subject)
    launched, launched_seconds = array(backend.forward(runs)), _seconds(backend, runs)
    try:
        if not backend.record_graphs(True):
            return Finding(name, {"tried": False})
        recorded, recorded_seconds = array(backend.forward(runs)), _seconds(backend, runs)
    except RuntimeError as error:
        return Finding(name, {"tried": True}, f"recording fails: {str(error).splitlines()[0]}")
    finally:
        backend.record_graphs(False)
    same = bool((launched == recorded).all())
    figures = {
        "tried": True,
        "identical": same,
        "launched_ms": round(launched_seconds * 1e3, 3),
        "recorded_ms": round(recorded_seconds * 1e3, 3),
    }
    return Finding(name, figures, None if same else "recorded steps give other logits")


def memory(subject: Subject) -> Finding:
    """Tell what the process holds of the device at most."""
    device = torch.device(subject.checkpoint.device)
    figures = {}
    if device.type == "cuda":
        free, total = torch.cuda.mem_get_info(device)
        figures = {
            "most_allocated_mb": torch.cuda.max_memory_allocated(device) // 2**20,
            "taken_mb": (total - free) // 2**20,
            "card_mb": total // 2**20,
        }
    return Finding("memory", figures)


def _decoding(subject: Subject) -> list[Run]:
    """Return a decode step of many requests."""
    backend = subject.backend
    count = min(_RUNNING, backend.blocks)
    length = min(24, backend.block_tokens - 2)
    text = subject.text(length + 1)
    for block in range(count):
        backend.forward([Run(text[:-1], 0, [block], 0)])
    return [Run(text[-1:], length, [block], 1) for block in range(count)]


def _seconds(backend: TorchGPT2, runs: list[Run]) -> float:
    """Return the seconds of a step, the device's work included."""
    torch.cuda.synchronize()
    began = time.perf_counter()
    for _ in range(_REPEATS):
        backend.forward(runs)
    torch.cuda.synchronize()
    return (time.perf_counter() - began) / _REPEATS
