"""OpenVINO's GPT-2 against transformers' own, and against itself: alone, beside others, guessed."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import GPT2Config, GPT2LMHeadModel, set_seed

from app.engine.backends.gpt2 import GPT2, NotCovered, Shape
from app.engine.backends.interface import Run
from app.engine.backends.openvino import OpenVINO
from app.engine.backends.openvino_graph import activation
from app.engine.backends.openvino_runtime import ov
from app.engine.weights import Weights

VOCABULARY = 211
CONTEXT = 96
TINY = {
    "vocab_size": VOCABULARY, "n_positions": CONTEXT, "n_embd": 32, "n_layer": 3, "n_head": 2,
    "initializer_range": 0.3,  # far from uniform, so that arg-max is not a coin toss
    "bos_token_id": 0, "eos_token_id": 0,
}  # fmt: skip
HAS_BFLOAT16 = "BF16" in ov.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
FORMATS = ["float32", *(["bfloat16"] if HAS_BFLOAT16 else []), "int8"]

Made = Callable[..., tuple[Path, Any]]


@pytest.fixture
def made(tmp_path: Path) -> Made:
    """Make a GPT-2 whose every weight is drawn, biases and norms too; return where, and itself."""

    def make(dtype: torch.dtype = torch.float32, shard: str = "1GB", **config: Any) -> Any:
        set_seed(3)
        model: Any = GPT2LMHeadModel(GPT2Config(**TINY | config)).eval()
        with torch.no_grad():
            for name, weight in model.named_parameters():
                if name.endswith("bias"):
                    weight.normal_(0, 0.2)
                elif "ln_" in name:
                    weight.normal_(1, 0.2)
        model = model.to(dtype)
        model.save_pretrained(tmp_path, max_shard_size=shard)
        return tmp_path, model.float()

    return make


def read(directory: Path) -> GPT2:
    config = json.loads((directory / "config.json").read_text())
    return GPT2(Weights(directory), Shape.of(config))


def backend(directory: Path, number_format: str = "float32", threads: int = 1) -> OpenVINO:
    return OpenVINO(read(directory), cache_tokens=640, number_format=number_format, threads=threads)


def tokens(count: int, seed: int = 0) -> list[int]:
    drawn: list[int] = np.random.default_rng(seed).integers(0, VOCABULARY, count).tolist()
    return drawn


@torch.inference_mode()
def expected(model: Any, ids: list[int]) -> Any:
    """Return transformers' logits [tokens, vocabulary]."""
    return model(torch.tensor([ids])).logits[0].numpy()


def in_pieces(running: OpenVINO) -> tuple[list[int], list[int], Any, Any]:
    """Read two texts of different lengths in ragged pieces; return them and all their logits."""
    long, short = tokens(90, 1), tokens(35, 2)
    blocks, others = [7, 2, 4], [5, 0]
    steps = [
        [Run(long[:40], 0, blocks, 40), Run(short[:33], 0, others, 33)],
        [Run(short[33:34], 33, others, 1), Run(long[40:42], 40, blocks, 2)],
        [Run(long[42:89], 42, blocks, 47)],
        [Run(long[89:], 89, blocks, 1), Run(short[34:], 34, others, 1)],
    ]
    first, second, third, last = (running.forward(runs).copy() for runs in steps)
    of_long = np.concatenate([first[:40], second[1:], third, last[:1]])
    of_short = np.concatenate([first[40:], second[:1], last[1:]])
    return long, short, of_long, of_short


SHAPES: list[dict[str, Any]] = [
    {},
    {"n_head": 1},
    {"n_embd": 60, "n_head": 3},
    {"n_embd": 40, "n_head": 8},
    {"n_layer": 1, "n_inner": 50},
    {"tie_word_embeddings": False},
    {"scale_attn_weights": False, "initializer_range": 0.1},
    {"scale_attn_by_inverse_layer_idx": True},
    {"reorder_and_upcast_attn": True},
    {"layer_norm_epsilon": 1e-2},
]


@pytest.mark.parametrize("config", SHAPES, ids=str)
def test_logits_are_those_of_transformers(made: Made, config: dict[str, Any]) -> None:
    directory, model = made(**config)
    long, short, of_long, of_short = in_pieces(backend(directory))
    for ids, logits in ((long, of_long), (short, of_short)):
        right = expected(model, ids)
        np.testing.assert_allclose(logits, right, atol=1e-4)
        assert (logits.argmax(1) == right.argmax(1)).all()


@pytest.mark.parametrize(
    "name",
    [
        "gelu", "gelu_10", "gelu_accurate", "gelu_fast", "gelu_new", "gelu_python",
        "gelu_python_tanh", "gelu_pytorch_tanh", "hardswish", "leaky_relu", "linear", "mish",
        "quick_gelu", "relu", "relu2", "relu6", "sigmoid", "silu", "swish", "tanh",
    ],
)  # fmt: skip
def test_activation_functions_are_those_of_transformers(made: Made, name: str) -> None:
    directory, model = made(activation_function=name, n_layer=1)
    ids = tokens(40)
    logits = backend(directory).forward([Run(ids, 0, [0, 1], 40)])
    np.testing.assert_allclose(logits, expected(model, ids), atol=1e-4)


@pytest.mark.parametrize(
    ("dtype", "shard"),
    [(torch.bfloat16, "1GB"), (torch.float16, "1GB"), (torch.float32, "20KB")],
    ids=["bfloat16", "float16", "shards"],
)
def test_files_in_16_bits_and_in_shards(made: Made, dtype: torch.dtype, shard: str) -> None:
    directory, model = made(dtype, shard)
    assert (directory / "model.safetensors").exists() == (shard == "1GB")
    ids = tokens(20)
    logits = backend(directory).forward([Run(ids, 0, [0], 20)])
    np.testing.assert_allclose(logits, expected(model, ids), atol=1e-4)


def test_only_wanted_rows_come_in_the_order_of_the_runs(made: Made) -> None:
    directory, _ = made()
    running = backend(directory)
    one, two = tokens(30, 1), tokens(20, 2)
    whole = running.forward([Run(one, 0, [0], 30), Run(two, 0, [1], 20)]).copy()
    runs = [Run(one, 0, [2], 3), Run(tokens(5), 0, [3], 0), Run(two, 0, [4], 1)]
    assert np.array_equal(running.forward(runs), whole[[27, 28, 29, 49]])
    assert running.forward([Run(one, 0, [0], 0)]).shape == (0, VOCABULARY)


def test_a_request_is_cut_back_by_a_smaller_length(made: Made) -> None:
    directory, _ = made()
    running = backend(directory)
    prompt, right, wrong = tokens(30), tokens(3, 1), tokens(3, 2)
    running.forward([Run(prompt, 0, [0, 1], 0)])
    before = running.forward([Run(right, 30, [0, 1], 3)]).copy()
    running.forward([Run(wrong, 30, [0, 1], 3)])
    assert np.array_equal(running.forward([Run(right, 30, [0, 1], 3)]), before)


@pytest.mark.parametrize("number_format", FORMATS)
def test_a_tokens_logits_are_the_same_bits_in_any_company(made: Made, number_format: str) -> None:
    directory, _ = made(n_embd=64)
    running = backend(directory, number_format, threads=2)
    prompts = [tokens(20 + 7 * place, place) for place in range(5)]
    blocks = [[3 * place, 3 * place + 1, 3 * place + 2] for place in range(5)]
    for prompt, held in zip(prompts, blocks, strict=True):
        running.forward([Run(prompt, 0, held, 1)])

    def next_run(place: int) -> Run:
        return Run([9], len(prompts[place]), blocks[place], 1)

    alone = [running.forward([next_run(place)])[0].copy() for place in range(5)]
    assert np.array_equal(running.forward([next_run(place) for place in range(5)]), alone)
    beside_a_prompt = running.forward([Run(tokens(40), 0, [16, 17], 1), next_run(0)])
    assert np.array_equal(beside_a_prompt[1], alone[0])

    guesses = [9, 5, 7]  # verified in one step, they are what one step each would have made
    known = len(prompts[1])
    guessed = running.forward([Run(guesses, known, blocks[1], 3), next_run(2)]).copy()
    stepwise = [
        running.forward([Run([guess], known + place, blocks[1], 1)])[0].copy()
        for place, guess in enumerate(guesses)
    ]
    assert np.array_equal(guessed, [*stepwise, alone[2]])


@pytest.mark.parametrize(
    ("number_format", "most"), [("bfloat16", 0.15), ("int8", 0.5)], ids=["bfloat16", "int8"]
)
def test_what_fewer_bits_cost(made: Made, number_format: str, most: float) -> None:
    if number_format not in FORMATS:
        pytest.skip("this processor has no bfloat16")
    directory, model = made(n_embd=64, initializer_range=0.15)
    ids = tokens(90)
    right = expected(model, ids)
    logits = backend(directory, number_format).forward([Run(ids, 0, [0, 1, 2], 90)])
    error = np.abs(logits - right).max()
    assert 0 < error < most * right.std()
    assert (logits.argmax(1) == right.argmax(1)).mean() > 0.9


def test_the_output_head_is_exact_in_bfloat16(made: Made) -> None:
    if not HAS_BFLOAT16:
        pytest.skip("this processor has no bfloat16")
    directory, _ = made(n_layer=1)
    logits = backend(directory, "bfloat16").forward([Run(tokens(20), 0, [0], 20)])
    rounded = torch.from_numpy(logits.copy()).bfloat16().float().numpy()
    assert (rounded != logits).mean() > 0.9  # in 16 bits they would all be such numbers


def test_what_the_graph_does_not_cover_is_said(made: Made) -> None:
    directory, _ = made()
    with pytest.raises(NotCovered, match="xielu"):
        activation("xielu")
    with pytest.raises(NotCovered, match="not in float16"):
        backend(directory, "float16")


@pytest.mark.skipif(not HAS_BFLOAT16, reason="this processor has no bfloat16")
def test_heads_of_an_odd_size_are_not_served_as_nonsense_in_bfloat16(made: Made) -> None:
    directory, _ = made(n_embd=40, n_head=8)
    with pytest.raises(NotCovered, match="even size"):
        backend(directory, "bfloat16")


def test_files_may_go_once_a_model_is_loaded(made: Made) -> None:
    directory, _ = made()
    running = backend(directory)
    before = running.forward([Run(tokens(20), 0, [0], 20)]).copy()
    weights = directory / "model.safetensors"
    weights.write_bytes(bytes(weights.stat().st_size))
    weights.write_bytes(b"")
    for count in (1, 2, 17, 65):  # each shape may lay the matrices out anew
        running.forward([Run(tokens(count), 0, [0, 1, 2], 1)])
    assert np.array_equal(running.forward([Run(tokens(20), 0, [0], 20)]), before)


@pytest.mark.parametrize(
    ("error", "short"),
    [
        (MemoryError(), True),
        (RuntimeError("Exception from src/inference/src/cpp/core.cpp: std::bad_alloc"), True),
        (RuntimeError("Failed to allocate 12345 bytes of memory"), True),
        (RuntimeError("Check 'shape.size() == 2' failed"), False),
        (ValueError("allocate"), False),
    ],
)  # fmt: skip
def test_running_out_of_memory_is_told_from_other_faults(
    made: Made, error: Exception, short: bool
) -> None:
    directory, _ = made(n_layer=1)
    assert backend(directory).ran_out_of_memory(error) == short
