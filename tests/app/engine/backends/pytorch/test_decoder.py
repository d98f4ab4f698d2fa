"""Decoders that are no GPT-2: transformers' own logits, in pieces, cut back, side by side."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor
from transformers import (
    BertConfig,
    BertLMHeadModel,
    BloomConfig,
    BloomForCausalLM,
    DynamicCache,
    GPTNeoConfig,
    GPTNeoForCausalLM,
    GPTNeoXConfig,
    GPTNeoXForCausalLM,
    LlamaConfig,
    LlamaForCausalLM,
    MambaConfig,
    MambaForCausalLM,
    MistralConfig,
    MistralForCausalLM,
    OpenAIGPTConfig,
    OpenAIGPTLMHeadModel,
    RobertaConfig,
    RobertaForCausalLM,
    T5Config,
    T5ForConditionalGeneration,
    set_seed,
)

from app.engine.backends.interface import Run
from app.engine.backends.pytorch.decoder import TorchDecoder
from app.engine.backends.pytorch.loading import load_other
from app.errors import CheckpointError, DeviceError

TEXT = [5, 9, 17, 33, 8, 60, 31, 7, 3, 61] * 4


@pytest.fixture(params=["llama", "neox", "neo", "mistral"])
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
    elif request.param == "neo":  # its layers look at all of the text, and at a window, in turns
        kinds = [[["global", "local"], 1]]
        model = GPTNeoForCausalLM(
            GPTNeoConfig(**sizes, num_layers=2, num_heads=4, window_size=8, attention_types=kinds)
        )
    elif request.param == "mistral":
        model = MistralForCausalLM(MistralConfig(**sizes, num_key_value_heads=2, sliding_window=8))
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
    file = directory / "model.safetensors"
    weights = load_file(file)
    lost = next(name for name in weights if ".1." in name)
    del weights[lost]
    save_file(weights, file, metadata={"format": "pt"})
    with pytest.raises(CheckpointError, match=rf"missing keys \(1: {lost}\): the file is incompl"):
        load_other(directory, device="cpu", dtype="auto", threads=1, cache_tokens=64)
    (directory / "config.json").write_text("{")
    with pytest.raises(CheckpointError, match="cannot be read"):
        load_other(directory, device="cpu", dtype="auto", threads=1, cache_tokens=64)


SMALL: dict[str, Any] = {"vocab_size": 97, "hidden_size": 32}
BERT: dict[str, Any] = SMALL | {
    "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 48,
}  # fmt: skip


@pytest.mark.parametrize(
    ("model", "reason"),
    [
        (lambda: BertLMHeadModel(BertConfig(**BERT)), "it is a bert, an encoder"),
        (
            lambda: RobertaForCausalLM(RobertaConfig(**BERT, is_decoder=True)),
            "it is a roberta, an encoder",
        ),
        (lambda: BloomForCausalLM(BloomConfig(**SMALL, n_layer=1, n_head=2)), "how long its cont"),
        (
            lambda: MambaForCausalLM(MambaConfig(**SMALL, num_hidden_layers=1, state_size=4)),
            "how long its context is",
        ),
        (
            lambda: OpenAIGPTLMHeadModel(
                OpenAIGPTConfig(vocab_size=97, n_embd=32, n_layer=1, n_head=2, n_positions=64)
            ),
            "does not read a text in pieces",
        ),
        (
            lambda: T5ForConditionalGeneration(
                T5Config(vocab_size=97, d_model=32, d_ff=48, num_layers=1, num_heads=2, d_kv=16)
            ),
            "it is a t5, which does not continue a text",
        ),
    ],
    ids=["bert", "roberta", "bloom", "mamba", "openai-gpt", "t5"],
)
def test_families_that_are_not_served_are_told_in_a_line(
    model: Callable[[], Any], reason: str, tmp_path: Path
) -> None:
    model().save_pretrained(tmp_path)
    with pytest.raises(CheckpointError, match=reason) as refused:
        load_other(tmp_path, device="cpu", dtype="auto", threads=1, cache_tokens=64)
    assert "\n" not in str(refused.value)


def test_a_model_that_reads_pieces_otherwise_is_refused(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As if its cache lost what was read: later pieces then begin a text of their own."""
    monkeypatch.setattr(TorchDecoder, "_new_cache", lambda _: Forgetful())
    with pytest.raises(CheckpointError, match="in pieces otherwise than at once"):
        load_other(directory, device="cpu", dtype="auto", threads=1, cache_tokens=64)


class Forgetful(DynamicCache):
    """Remembers how much was read, and not what."""

    def update(self, key_states: Tensor, value_states: Tensor, *args: Any, **more: Any) -> Any:
        keys, values = super().update(key_states, value_states, *args, **more)
        new = value_states.shape[-2]
        return keys, torch.cat([torch.ones_like(values[..., :-new, :]), value_states], -2)


def test_a_device_that_is_not_there_is_refused(directory: Path) -> None:
    with pytest.raises(DeviceError, match="'cuda' cannot be used"):
        load_other(directory, device="cuda", dtype="auto", threads=1, cache_tokens=64)
