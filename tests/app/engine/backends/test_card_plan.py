"""What cards of 8, 16, 24 and 80 GB hold of the pair, and what they cannot."""

from pathlib import Path
from typing import Any

import pytest

from app.engine.backends.card_plan import Footprint, Plan, plan
from app.engine.backends.gpt2 import Shape
from app.errors import DeviceError

GIB = 1024**3


def gpt2(dtype: str = "bfloat16", **sizes: Any) -> Footprint:
    return Footprint.of(Shape.of({"model_type": "gpt2", **sizes}), dtype)


def test_the_table_for_gpt2_and_its_base_on_one_card() -> None:
    assert {size: plan(size * GIB, 2, gpt2()) for size in (8, 16, 24, 80)} == {
        8: Plan(max_running=64, max_batch_tokens=512, cache_tokens=62_796),
        16: Plan(max_running=256, max_batch_tokens=1024, cache_tokens=140_477),
        24: Plan(max_running=256, max_batch_tokens=1024, cache_tokens=245_335),
        80: Plan(max_running=256, max_batch_tokens=2048, cache_tokens=262_144),
    }


@pytest.mark.parametrize("dtype", ["bfloat16", "float16", "float32"])
@pytest.mark.parametrize("size", [4, 8, 16, 24, 80])
@pytest.mark.parametrize("models", [1, 2])
def test_what_is_planned_fits(dtype: str, size: int, models: int) -> None:
    footprint = gpt2(dtype)
    planned = plan(size * GIB, models, footprint)
    taken = (
        footprint.weights
        + planned.cache_tokens * footprint.cache_per_token
        + planned.max_running * footprint.logits_per_row
        + planned.max_batch_tokens * footprint.activations_per_token
    )
    assert models * taken < 0.9 * size * GIB
    assert planned.cache_tokens >= 1024


def test_a_model_of_its_own_card_has_at_least_as_much() -> None:
    for size in (8, 16, 24):
        alone, shared = plan(size * GIB, 1, gpt2()), plan(size * GIB, 2, gpt2())
        assert alone.cache_tokens > shared.cache_tokens
        assert alone.max_running >= shared.max_running


def test_the_weights_are_counted_as_they_are_kept() -> None:
    matrices, tables = 12 * 12 * 768 * 768, (50257 + 1024) * 768
    assert gpt2("float32").weights == 4 * (matrices + tables)
    assert gpt2("bfloat16").weights == 2 * matrices + 4 * tables
    assert gpt2(tie_word_embeddings=False).weights - gpt2().weights == 4 * 50257 * 768


def test_a_card_too_small_for_one_answer_is_refused() -> None:
    xl = gpt2(n_embd=1600, n_layer=48, n_head=25)
    with pytest.raises(DeviceError, match=r"card of 8 GB cannot hold 2 such models.*6\.1 GB"):
        plan(8 * GIB, 2, xl)
    assert plan(24 * GIB, 2, xl).max_running >= 16


def test_the_page_for_operators_shows_the_table() -> None:
    page = (Path(__file__).parents[4] / "docker/README.md").read_text(encoding="utf-8")
    sizes = (8, 16, 24, 80)
    planned = [plan(size * GIB, 2, gpt2()) for size in sizes]
    rows = {
        "GPT-2 and its base on one card of": [f"{size} GB" for size in sizes],
        "answers at once, of each": [f"{each.max_running:,}" for each in planned],
        "tokens in one pass": [f"{each.max_batch_tokens:,}" for each in planned],
        "tokens kept of all answers, of each": [f"{each.cache_tokens:,}" for each in planned],
    }
    for name, figures in rows.items():
        assert f"\n| {name} | {' | '.join(figures)} |\n" in page
