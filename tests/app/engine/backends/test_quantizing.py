"""Int8 is near the model, the same in any batch, asked for by name only, and always said."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from app.engine.admission import Limits
from app.engine.backends.fitting import best_dtype
from app.engine.backends.quantizing import Int8Linear, check_int8
from app.engine.checkpoint import Checkpoint, load
from app.engine.decoding import Decoding
from app.engine.generation import BatchingEngine
from app.engine.interface import Source
from app.errors import CheckpointError
from app.main import create_app
from app.settings import Settings
from tests.app.conftest import client_of

CPU = torch.device("cpu")


def _works() -> bool:
    try:
        check_int8(CPU)
    except CheckpointError:
        return False
    return True


needs_int8 = pytest.mark.skipif(not _works(), reason="this processor has no 8-bit dot products")


@pytest.fixture(scope="module")
def rounded(pair: Path) -> Checkpoint:
    return load(Source(str(pair / "fine-tuned")), CPU, torch.int8)


@pytest.fixture
def engine(rounded: Checkpoint) -> Iterator[BatchingEngine]:
    running = BatchingEngine(rounded, Limits(max_running=8, max_waiting=0, max_batch_tokens=64))
    running.start()
    yield running
    running.stop()


@needs_int8
def test_a_rounded_layer_is_within_half_a_step_of_its_weights_and_inputs() -> None:
    layer = nn.Linear(96, 40)
    inputs = torch.randn(3, 5, 96) * torch.tensor([0.01, 1.0, 100.0])[:, None, None]
    expected = layer(inputs)
    given = Int8Linear(layer.weight, layer.bias)(inputs)
    # Each factor is off by half a step at most, a step being a 127th of the row's largest.
    steps = inputs.abs().amax(-1, keepdim=True) / 254, layer.weight.abs().amax(-1) / 254
    bound = steps[0] * layer.weight.abs().sum(-1) + inputs.abs().sum(-1, keepdim=True) * steps[1]
    assert ((given - expected).abs() <= bound + 96 * steps[0] * steps[1] + 1e-5).all()


@needs_int8
def test_a_row_of_zeros_gives_the_bias() -> None:
    layer = nn.Linear(32, 8)
    assert torch.equal(Int8Linear(layer.weight, layer.bias)(torch.zeros(2, 32))[1], layer.bias)


@needs_int8
def test_what_a_row_gives_does_not_depend_on_the_others() -> None:
    layer = nn.Linear(320, 70, bias=False)
    rounded = Int8Linear(layer.weight, None)
    inputs = torch.randn(33, 320)
    inputs[7] *= 1_000  # a scale per tensor would round its neighbours to nothing
    together = rounded(inputs)
    assert torch.equal(together, torch.cat([rounded(row[None]) for row in inputs]))


@needs_int8
async def test_an_answer_is_the_same_alone_and_among_others(engine: BatchingEngine) -> None:
    prompts = [torch.randint(3, 200, (length,)).tolist() for length in (3, 5, 9, 14, 20, 27)]

    async def answer(prompt: list[int]) -> list[int]:
        return [each.id async for each in engine.generate(prompt, Decoding(max_new_tokens=12))]

    alone = [await answer(prompt) for prompt in prompts]
    together = await asyncio.gather(*(answer(prompt) for prompt in prompts))
    assert all(len(tokens) > 1 for tokens in alone)
    assert together == alone


@needs_int8
def test_the_whole_model_is_rounded_and_little_is_lost(
    fine_tuned: Checkpoint, rounded: Checkpoint
) -> None:
    linears = [layer for layer in rounded.model.modules() if isinstance(layer, Int8Linear)]
    assert len(linears) == 4 * fine_tuned.model.config.num_hidden_layers + 1
    assert (rounded.dtype, fine_tuned.dtype) == ("int8", "float32")
    ids: Any = torch.randint(0, fine_tuned.model.config.vocab_size, (4, 30))
    with torch.inference_mode():
        exact, given = (each.model(ids).logits for each in (fine_tuned, rounded))
    assert 0 < (given - exact).square().mean().sqrt() < 0.05 * exact.std()


@needs_int8
async def test_an_answer_made_in_int8_says_so(pair: Path) -> None:
    models: Any = {"fine_tuned_model": str(pair / "fine-tuned"), "base_model": str(pair / "base")}
    app = create_app(Settings(_env_file=None, dtype="int8", default_new_tokens=3, **models))
    async with client_of(app) as client:
        both = (await client.post("/compare", json={"question": "What is it?"})).json()
        chat = {"model": "base", "messages": [{"role": "user", "content": "What is it?"}]}
        openai = (await client.post("/v1/chat/completions", json=chat)).json()
        info = (await client.get("/info")).json()
    labels = [both[side]["dtype"] for side in ("fine_tuned", "base")]
    labels += [model["dtype"] for model in info["models"]]
    assert [*labels, openai["system_fingerprint"]] == ["int8"] * 5


def test_int8_is_refused_where_it_does_not_work(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(CheckpointError, match="int8 runs on a CPU only, not on cuda"):
        best_dtype("int8", torch.device("cuda"))
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx2": True})
    with pytest.raises(CheckpointError, match="8-bit dot products"):
        best_dtype("int8", CPU)


@pytest.mark.parametrize("device", ["cpu", "cuda", "mps"])
def test_auto_never_chooses_int8(device: str) -> None:
    assert best_dtype("auto", torch.device(device)) != torch.int8
