"""What the models run on: named or best, within the container's quota, in the faster format."""

import os
from pathlib import Path

import pytest
import torch

from app import devices
from app.checkpoints import Checkpoint, Source, load
from app.devices import best_device, best_dtype, cpu_threads, faster_dtype
from app.errors import CheckpointError

CPU = torch.device("cpu")


def test_device() -> None:
    assert best_device("cpu") == CPU
    with pytest.raises(CheckpointError, match="gpu9"):
        best_device("gpu9")


def test_dtype() -> None:
    assert best_dtype("auto", torch.device("cuda")) == torch.bfloat16
    assert best_dtype("auto", torch.device("mps")) == torch.float32
    assert best_dtype("auto", CPU) is None
    assert best_dtype("bfloat16", CPU) == torch.bfloat16


@pytest.mark.parametrize(
    ("quota", "threads"),
    [("max 100000", 8), ("100000 100000", 1), ("250000 100000", 3), ("50000 100000", 1),
     ("9900000 100000", 8), ("", 8)],
)  # fmt: skip
def test_threads_stay_within_the_quota(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, quota: str, threads: int
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)))
    (tmp_path / "cpu.max").write_text(quota)
    assert cpu_threads(tmp_path / "cpu.max") == threads
    assert cpu_threads(tmp_path / "none") == 8


@pytest.mark.parametrize(
    ("seconds", "dtype"),
    [({torch.float32: 1.0, torch.bfloat16: 0.5}, torch.bfloat16),
     ({torch.float32: 1.0, torch.bfloat16: 0.95}, torch.float32),
     ({torch.float32: 1.0, torch.bfloat16: 7.0}, torch.float32)],
)  # fmt: skip
def test_the_faster_format_is_served(
    pair: Path,
    monkeypatch: pytest.MonkeyPatch,
    seconds: dict[torch.dtype, float],
    dtype: torch.dtype,
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"amx_bf16": True})
    monkeypatch.setattr(devices, "_trial", lambda model: seconds[model.dtype])
    served = load(Source(str(pair / "base")), CPU, None)
    assert served.model.dtype == dtype


def test_an_emulated_format_is_not_even_tried(
    fine_tuned: Checkpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx2": True})
    monkeypatch.setattr(devices, "_trial", lambda _: pytest.fail("tried"))
    assert faster_dtype(fine_tuned.model) == torch.float32
