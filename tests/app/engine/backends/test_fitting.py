"""What the models run on: named or best, within the container's quota, in the faster format."""

from pathlib import Path

import pytest
import torch
from transformers import PreTrainedModel

from app.engine.backends import fitting as devices
from app.engine.backends.fitting import best_device, best_dtype, fitted
from app.engine.backends.packing import PackedLinear
from app.engine.checkpoint import Checkpoint, load
from app.engine.interface import Source
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
    monkeypatch.setattr(devices, "_SMALL_PARAMETERS", 0)
    monkeypatch.setattr(devices, "_trial", lambda model: seconds[model.dtype])
    served = load(Source(str(pair / "base")), CPU, None)
    assert served.model.dtype == dtype


@pytest.mark.parametrize("packed_is_faster", [True, False])
def test_matrices_are_packed_where_that_is_faster(
    pair: Path, monkeypatch: pytest.MonkeyPatch, packed_is_faster: bool
) -> None:
    def trial(model: PreTrainedModel) -> float:
        packed = any(isinstance(layer, PackedLinear) for layer in model.modules())
        return 1.0 if packed == packed_is_faster else 2.0

    monkeypatch.setattr(devices, "_SMALL_PARAMETERS", 0)
    monkeypatch.setattr(devices, "_trial", trial)
    served = load(Source(str(pair / "base")), CPU, torch.float32)
    packed = [layer for layer in served.model.modules() if isinstance(layer, PackedLinear)]
    assert len(packed) == (4 * 2 + 1 if packed_is_faster else 0)


def test_an_emulated_format_is_not_even_tried(
    base: Checkpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried: list[torch.dtype] = []

    def trial(model: PreTrainedModel) -> float:
        tried.append(model.dtype)
        return 1.0

    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx2": True})
    monkeypatch.setattr(devices, "_SMALL_PARAMETERS", 0)
    monkeypatch.setattr(devices, "_trial", trial)
    assert fitted(base.model, None).dtype == torch.float32
    assert set(tried) == {torch.float32}


def test_a_small_model_stays_exact_however_the_clock_runs(
    base: Checkpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(devices, "_trial", lambda _: pytest.fail("tried"))
    assert fitted(base.model, None) is base.model
