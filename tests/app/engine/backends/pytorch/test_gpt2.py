"""GPT-2 in PyTorch: transformers' own logits, in pieces, in batches, in CUDA's configuration."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from transformers import AutoModelForCausalLM, GPT2Config, GPT2LMHeadModel, set_seed

from app.engine.backends.gpt2 import GPT2, Shape
from app.engine.backends.interface import Run
from app.engine.backends.pytorch.activations import ACTIVATIONS
from app.engine.backends.pytorch.gpt2 import Computing, TorchGPT2
from app.engine.weights import Weights
from app.errors import CheckpointError
from tests.conftest import CONTEXT_TOKENS, edit_json

CPU = torch.device("cpu")
FLOAT32 = Computing(CPU, torch.float32)
BFLOAT16 = Computing(CPU, torch.bfloat16)
HOPPER = Computing(CPU, torch.bfloat16, capability=(9, 0))
TEXT = [5, 9, 17, 33, 8, 120, 64, 31, 7, 250, 3, 61] * 9
BFLOAT16_TOLERANCE = 0.04
"""Of the largest logit, for the worst of all; on average a tenth of it. Both layers' matrices have
8 bits of mantissa, and all else is float32."""


def loaded(directory: Path, computing: Computing, cache_tokens: int) -> TorchGPT2:
    config = json.loads((directory / "config.json").read_text())
    return TorchGPT2(GPT2(Weights(directory), Shape.of(config)), computing, cache_tokens)


def reference(directory: Path, tokens: Sequence[int]) -> Tensor:
    """Return transformers' logits of every token, in float32 and by its plainest attention."""
    model = AutoModelForCausalLM.from_pretrained(
        directory, dtype=torch.float32, attn_implementation="eager"
    ).eval()
    with torch.inference_mode():
        logits: Tensor = model(torch.tensor([list(tokens)])).logits[0]
    return logits


def ours(
    backend: TorchGPT2, tokens: Sequence[int], piece: int = 1000, blocks: Sequence[int] = ()
) -> Tensor:
    """Return a backend's logits of every token, read in pieces, from blocks in no order."""
    names = blocks or list(range(backend.blocks - 1, -1, -1))
    pieces = [(start, tokens[start : start + piece]) for start in range(0, len(tokens), piece)]
    made = [backend.forward([Run(read, start, names, len(read))]).clone() for start, read in pieces]
    return torch.cat(made)


@pytest.fixture(params=["base", "fine-tuned"])
def directory(pair: Path, request: pytest.FixtureRequest) -> Path:
    return pair / str(request.param)


@pytest.mark.parametrize("piece", [1000, 33, 1])
def test_logits_are_transformers_own(directory: Path, piece: int) -> None:
    backend = loaded(directory, FLOAT32, 4 * CONTEXT_TOKENS)
    torch.testing.assert_close(
        ours(backend, TEXT, piece), reference(directory, TEXT), rtol=1e-4, atol=1e-4
    )


def test_many_requests_in_one_step_do_not_meet(pair: Path) -> None:
    backend = loaded(pair / "base", FLOAT32, 8 * CONTEXT_TOKENS)
    own = CONTEXT_TOKENS // backend.block_tokens
    texts = [TEXT[start : start + length] for start, length in [(0, 90), (1, 3), (2, 40), (3, 1)]]
    blocks = [range(own * place, own * (place + 1)) for place in range(len(texts))]
    for text, held in zip(texts, blocks, strict=True):  # all but the last token of each
        if len(text) > 1:
            backend.forward([Run(text[:-1], 0, held, 0)])
    runs = [
        Run(text[-1:], len(text) - 1, held, 1) for text, held in zip(texts, blocks, strict=True)
    ]
    prompt = Run(TEXT[4:60], 0, range(own * 4, own * 5), 2)
    step = backend.forward([*runs[:2], prompt, *runs[2:]])
    expected = [reference(pair / "base", text)[-1] for text in texts]
    expected[2:2] = list(reference(pair / "base", TEXT[4:60])[-2:])
    torch.testing.assert_close(step, torch.stack(expected), rtol=1e-4, atol=1e-4)


def test_drafts_that_are_refused_leave_nothing_behind(pair: Path) -> None:
    backend = loaded(pair / "base", FLOAT32, CONTEXT_TOKENS)
    blocks = range(backend.blocks)
    backend.forward([Run(TEXT[:40], 0, blocks, 0)])
    drafted = backend.forward([Run([TEXT[40], 99, 98, 97], 40, blocks, 4)]).clone()
    expected = reference(pair / "base", [*TEXT[:41], 99, 98, 97])[40:]
    torch.testing.assert_close(drafted, expected, rtol=1e-4, atol=1e-4)
    after = backend.forward([Run(TEXT[41:43], 41, blocks, 1)])
    torch.testing.assert_close(
        after[0], reference(pair / "base", TEXT[:43])[-1], rtol=1e-4, atol=1e-4
    )


def test_a_step_that_wants_nothing_gives_nothing(pair: Path) -> None:
    for computing in (FLOAT32, BFLOAT16):
        backend = loaded(pair / "base", computing, CONTEXT_TOKENS)
        assert backend.forward([Run(TEXT[:9], 0, range(backend.blocks), 0)]).shape[0] == 0


SHAPES: dict[str, dict[str, Any]] = {
    "inner": {"n_inner": 40},
    "untied": {"tie_word_embeddings": False},
    "unscaled": {"scale_attn_weights": False},
    "by layer": {"scale_attn_by_inverse_layer_idx": True},
    "upcast": {"reorder_and_upcast_attn": True},
    "epsilon": {"layer_norm_epsilon": 0.1},
    "narrow heads": {"n_embd": 24, "n_head": 8},
    "one head": {"n_head": 1, "n_layer": 3},
}
SHAPES |= {f"activation {name}": {"activation_function": name} for name in ACTIVATIONS}


@pytest.mark.parametrize("shape", SHAPES)
def test_any_shape_that_transformers_computes(tmp_path: Path, shape: str) -> None:
    set_seed(3)
    sizes: dict[str, Any] = {
        "vocab_size": 97,
        "n_positions": 64,
        "n_embd": 32,
        "n_layer": 2,
        "n_head": 4,
    }
    config = GPT2Config(**sizes | {"initializer_range": 0.2} | SHAPES[shape])
    GPT2LMHeadModel(config).save_pretrained(tmp_path)
    backend = loaded(tmp_path, FLOAT32, 64)
    text = [token % 97 for token in TEXT[:50]]
    torch.testing.assert_close(
        ours(backend, text, 17), reference(tmp_path, text), rtol=1e-4, atol=1e-4
    )


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_files_in_parts_and_in_16_bits(pair: Path, tmp_path: Path, dtype: torch.dtype) -> None:
    model = GPT2LMHeadModel.from_pretrained(pair / "base", dtype=dtype)
    model.save_pretrained(tmp_path, max_shard_size="20KB")
    assert len(list(tmp_path.glob("*.safetensors"))) > 2
    backend = loaded(tmp_path, FLOAT32, CONTEXT_TOKENS)
    torch.testing.assert_close(
        ours(backend, TEXT[:50]), reference(tmp_path, TEXT[:50]), rtol=1e-4, atol=1e-4
    )


def test_a_file_without_the_prefix_is_read(pair: Path, tmp_path: Path) -> None:
    model = GPT2LMHeadModel.from_pretrained(pair / "base")
    model.transformer.save_pretrained(tmp_path)  # as GPT-2 itself is published
    backend = loaded(tmp_path, FLOAT32, CONTEXT_TOKENS)
    torch.testing.assert_close(
        ours(backend, TEXT[:50]), reference(pair / "base", TEXT[:50]), rtol=1e-4, atol=1e-4
    )


def test_what_needs_more_than_a_function_is_refused(broken: Path) -> None:
    edit_json(broken / "config.json", activation_function="prelu")
    with pytest.raises(CheckpointError, match="prelu"):
        loaded(broken, FLOAT32, CONTEXT_TOKENS)


def test_what_is_served_does_not_change_with_its_file(broken: Path) -> None:
    backend = loaded(broken, FLOAT32, CONTEXT_TOKENS)
    before = ours(backend, TEXT[:9])
    weights = broken / "model.safetensors"
    with weights.open("r+b") as file:
        file.seek(weights.stat().st_size // 2)
        file.write(bytes(weights.stat().st_size // 2))
    torch.testing.assert_close(ours(backend, TEXT[:9]), before, rtol=0, atol=0)


OUT_OF_MEMORY: list[Callable[[], Exception]] = [
    lambda: torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has"),
    lambda: RuntimeError("MPS backend out of memory (MPS allocated: 9 GB, max allowed: 9 GB)"),
    lambda: RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(h)`"),
    lambda: torch.AcceleratorError("CUDA error: out of memory\nCUDA kernel errors might be"),
    lambda: RuntimeError("CUDA error: cudaErrorMemoryAllocation"),
    lambda: RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED"),
    lambda: RuntimeError("[enforce fail at alloc_cpu.cpp:124] err == 0. DefaultCPUAllocator: "
                         "can't allocate memory: you tried to allocate 9 bytes. Error code 12"),
    lambda: RuntimeError("std::bad_alloc"),
    lambda: RuntimeError("cuDNN error: CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED"),
    lambda: RuntimeError("Triton Error [CUDA]: CUDA_ERROR_OUT_OF_MEMORY"),
    lambda: RuntimeError("unable to mmap 9 bytes from file <m>: Cannot allocate memory (12)"),
    lambda: RuntimeError("Invalid buffer size: 74.51 GiB"),
    lambda: RuntimeError("HIP out of memory. Tried to allocate 20.00 MiB"),
    lambda: OSError(12, "Cannot allocate memory"),
    lambda: MemoryError("2 GiB"),
]  # fmt: skip


@pytest.mark.parametrize("error", OUT_OF_MEMORY)
def test_every_allocator_is_understood(pair: Path, error: Callable[[], Exception]) -> None:
    backend = loaded(pair / "base", FLOAT32, CONTEXT_TOKENS)
    assert backend.ran_out_of_memory(error())
    caused = RuntimeError("a step failed")
    caused.__cause__ = error()
    assert backend.ran_out_of_memory(caused)


@pytest.mark.parametrize(
    "error",
    [RuntimeError("CUDA error: an illegal memory access was encountered"),
     RuntimeError("CUDA error: device-side assert triggered"), ValueError("out of memory"),
     OSError(28, "No space left on device"), RuntimeError("CUDA error: unspecified launch failure"),
     RuntimeError("mat1 and mat2 shapes cannot be multiplied")],
)  # fmt: skip
def test_other_errors_are_not_taken_for_it(pair: Path, error: Exception) -> None:
    backend = loaded(pair / "base", FLOAT32, CONTEXT_TOKENS)
    assert not backend.ran_out_of_memory(error)


def test_an_overflow_stays_with_its_own_request(pair: Path, tmp_path: Path) -> None:
    model = GPT2LMHeadModel.from_pretrained(pair / "base")
    model.transformer.wpe.weight.data[100] = 3e38  # a position that overflows whatever reads it
    model.save_pretrained(tmp_path)
    backend = loaded(tmp_path, Computing(CPU, torch.float16), CONTEXT_TOKENS)
    blocks = range(backend.blocks)
    before = ours(backend, TEXT[:98], blocks=blocks)
    backend.forward([Run(TEXT[98:101], 98, blocks, 0)])
    torch.testing.assert_close(ours(backend, TEXT[:98], blocks=blocks), before, rtol=0, atol=0)
