"""Decoders that are no GPT-2: transformers' own logits, in pieces, cut back, side by side."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from transformers import GPTNeoXConfig, GPTNeoXForCausalLM, LlamaConfig, LlamaForCausalLM, set_seed

from app.engine.backends.interface import Run
from app.engine.backends.pytorch.loading import load_other
from app.errors import CheckpointError, DeviceError
from tests.conftest import edit_json

TEXT = [5, 9, 17, 33, 8, 60, 31, 7, 3, 61] * 4


@pytest.fixture(params=["llama", "neox"])
def directory(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    set_seed(3)
    sizes: dict[str, Any] = {
        "vocab_size": 97, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2,
        "num_attention_heads": 4, "max_position_embeddings": 64, "initializer_range": 0.2,
        "bos_token_id": 0, "eos_token_id": 0,
    }  # fmt: skip
    model: Any
    if request.param == "llama":
        model = LlamaForCausalLM(LlamaConfig(**sizes))
    else:
        model = GPTNeoXForCausalLM(GPTNeoXConfig(**sizes))
    model.save_pretrained(tmp_path)
    return tmp_path


def reference(directory: Path, tokens: list[int]) -> Tensor:
    from transformers import AutoModelForCausalLM

    model: Any = AutoModelForCausalLM.from_pretrained(directory, dtype=torch.float32).eval()
    with torch.inference_mode():
        logits: Tensor = model(torch.tensor([tokens])).logits[0]
    return logits


def test_logits_are_transformers_own(directory: Path) -> None:
    backend = load_other(directory, device="cpu", dtype="auto", threads=1, cache_tokens=192)
    assert (backend.blocks, backend.block_tokens) == (3, 64)
    first = backend.forward([Run(TEXT[:20], 0, [2], 20), Run(TEXT[5:12], 0, [0], 1)])
    expected = torch.cat([reference(directory, TEXT[:20]), reference(directory, TEXT[5:12])[-1:]])
    torch.testing.assert_close(first, expected, rtol=1e-4, atol=1e-4)
    assert backend.forward([Run(TEXT[12:14], 7, [0], 0)]).shape == (0, 97)
    guessed = [Run([TEXT[20], 90, 91], 20, [2], 3), Run(TEXT[14:15], 9, [0], 1)]
    logits = backend.forward(guessed)
    expected = reference(directory, [*TEXT[:21], 90, 91])[20:]
    torch.testing.assert_close(logits[:3], expected, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(
        logits[3], reference(directory, TEXT[5:15])[-1], rtol=1e-4, atol=1e-4
    )
    refused = backend.forward([Run(TEXT[21:22], 21, [2], 1)])
    torch.testing.assert_close(
        refused[0], reference(directory, TEXT[:22])[-1], rtol=1e-4, atol=1e-4
    )
    anew = backend.forward([Run(TEXT[3:9], 0, [2], 1)])  # another request's block by now
    torch.testing.assert_close(anew[0], reference(directory, TEXT[3:9])[-1], rtol=1e-4, atol=1e-4)


def test_it_says_that_it_is_slow(directory: Path, caplog: pytest.LogCaptureFixture) -> None:
    load_other(directory, device="auto", dtype="float32", threads=1, cache_tokens=64)
    assert "no GPT-2: transformers computes it, one request after another" in caplog.text


def test_what_is_no_model_is_refused(directory: Path) -> None:
    edit_json(directory / "config.json", num_hidden_layers=3)
    with pytest.raises(CheckpointError, match="missing keys"):
        load_other(directory, device="cpu", dtype="auto", threads=1, cache_tokens=64)
    (directory / "config.json").write_text("{")
    with pytest.raises(CheckpointError, match="cannot be read"):
        load_other(directory, device="cpu", dtype="auto", threads=1, cache_tokens=64)


def test_a_device_that_is_not_there_is_refused(directory: Path) -> None:
    with pytest.raises(DeviceError, match="'cuda' cannot be used"):
        load_other(directory, device="cuda", dtype="auto", threads=1, cache_tokens=64)
