"""Which names a GPT-2's weights may have in its files, and which of them count."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from app.engine.backends.interface import Run
from tests.app.conftest import loaded


def _save(directory: Path, weights: dict[str, torch.Tensor]) -> None:
    save_file(weights, directory / "model.safetensors", metadata={"format": "pt"})


def _logits(directory: Path) -> Any:
    return loaded(directory).backend.forward([Run([1, 2, 3], 0, [0], 3)]).copy()


def test_names_that_files_may_have(broken: Path) -> None:
    before = _logits(broken)
    stored = load_file(broken / "model.safetensors")
    weights = {name.removeprefix("transformer."): weight for name, weight in stored.items()}
    _save(broken, weights)
    assert np.array_equal(_logits(broken), before)

    weights["h.0.attn.bias"] = torch.ones(1, 1, 128, 128)  # the causal mask of older files
    weights["lm_head.weight"] = weights["wte.weight"].clone()
    _save(broken, weights)
    assert np.array_equal(_logits(broken), before)

    del weights["wte.weight"]  # tied weights may be stored under either name
    _save(broken, weights)
    assert np.array_equal(_logits(broken), before)


def test_a_head_of_its_own_counts_though_the_config_ties_it(broken: Path) -> None:
    before = _logits(broken)
    weights = load_file(broken / "model.safetensors")
    weights["lm_head.weight"] = 2 * weights["transformer.wte.weight"]
    _save(broken, weights)
    assert np.array_equal(_logits(broken), 2 * before)


def test_weights_that_no_gpt2_has_are_named(broken: Path, caplog: pytest.LogCaptureFixture) -> None:
    weights = load_file(broken / "model.safetensors")
    weights["v_head.summary.weight"] = torch.ones(1, 32)
    _save(broken, weights)
    loaded(broken)
    assert "left out: ['v_head.summary.weight']" in caplog.text
