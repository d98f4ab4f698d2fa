"""The choice for a whole step at once: beside transformers' warpers, on NumPy and on torch."""

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import (
    LogitsProcessorList,
    TemperatureLogitsWarper,
    TopKLogitsWarper,
    TopPLogitsWarper,
)

from app.engine.backends.pytorch import sampling as torch_sampling
from app.engine.interface import Decoding
from app.engine.sampling import Choice, Row, choose, draws

VOCABULARY = 40


def _both(logits: np.ndarray[Any, Any], rows: list[Row]) -> list[Choice]:
    """Return the choices, the same by NumPy and by torch."""
    ours = choose(logits.copy(), rows)
    theirs = torch_sampling.choose(torch.from_numpy(logits.copy()), rows)
    assert [each.token for each in ours] == [each.token for each in theirs]
    for one, other in zip(ours, theirs, strict=True):
        assert one.logprob == pytest.approx(other.logprob, abs=1e-5)
        assert [token for token, _ in one.top] == [token for token, _ in other.top]
    return ours


def _logits(rows: int, seed: int = 0, spread: float = 3.0) -> np.ndarray[Any, Any]:
    numbers = np.random.default_rng(seed).normal(-50, spread, (rows, VOCABULARY))
    return numbers.astype(np.float32)


def _shares(logits: np.ndarray[Any, Any], decoding: Decoding) -> np.ndarray[Any, Any]:
    """Return the distribution that transformers draws from."""
    warpers = LogitsProcessorList([TemperatureLogitsWarper(decoding.temperature)])
    if decoding.top_k:
        warpers.append(TopKLogitsWarper(decoding.top_k))
    if decoding.top_p < 1:
        warpers.append(TopPLogitsWarper(decoding.top_p))
    nothing: Any = None
    warped: Any = warpers(nothing, torch.from_numpy(logits[None].copy()))
    shares: np.ndarray[Any, Any] = warped.softmax(dim=-1)[0].numpy()
    return shares


DECODINGS = st.builds(
    Decoding,
    max_new_tokens=st.just(9),
    temperature=st.sampled_from([0.1, 0.7, 1.0, 2.0]),
    top_k=st.sampled_from([0, 1, 5, 39, 40, 400]),
    top_p=st.sampled_from([0.05, 0.5, 0.9, 1.0]),
)


@settings(deadline=None, max_examples=30)
@given(decodings=st.lists(DECODINGS, min_size=1, max_size=5), seed=st.integers(0, 99))
def test_each_row_is_drawn_as_transformers_would(decodings: list[Decoding], seed: int) -> None:
    logits = _logits(len(decodings), seed)
    expected = [_shares(row, each) for row, each in zip(logits, decodings, strict=True)]
    grid = (np.arange(60) + 0.5) / 60
    counts = np.zeros_like(logits)
    rows = [Row(each, float(number)) for each in decodings for number in grid]
    for place, choice in enumerate(_both(logits.repeat(len(grid), axis=0), rows)):
        counts[place // len(grid), choice.token] += 1 / len(grid)
    for shares, found in zip(expected, counts, strict=True):
        assert not found[shares == 0].any()
        # Of a grid of draws, each token gets its share, but for what its two ends cut off.
        assert np.abs(shares - found).max() <= 1 / len(grid) + 1e-4


def test_rows_keep_to_themselves() -> None:
    logits = _logits(4)
    greedy, drawn = Decoding(9), Decoding(9, temperature=2.0)
    rows = [Row(greedy), Row(drawn, 0.9), Row(greedy, banned=[int(logits[2].argmax())]), Row(drawn)]
    together = [choice.token for choice in _both(logits, rows)]
    alone = [_both(logits[n : n + 1], [row])[0].token for n, row in enumerate(rows)]
    assert together == alone
    assert together[0] == logits[0].argmax()
    assert together[2] == np.argsort(-logits[2])[1]


def test_what_is_banned_is_never_drawn() -> None:
    logits = _logits(1, spread=0.1)
    rest = {3, 5, 39}
    banned = [token for token in range(VOCABULARY) if token not in rest]
    decoding = Decoding(9, temperature=2.0)
    found = {
        _both(logits, [Row(decoding, draw, banned)])[0].token for draw in (1e-12, 0.3, 0.6, 1.0)
    }
    assert found == rest


@pytest.mark.parametrize("draw", [5e-324, 1e-17, 1.0])
def test_the_ends_of_the_draws_find_a_token_that_has_weight(draw: float) -> None:
    logits = np.full((1, VOCABULARY), -100, np.float32)
    logits[0, [7, 20]] = 0
    assert _both(logits, [Row(Decoding(9, temperature=1.0), draw)])[0].token in (7, 20)


def test_known_tokens_and_chosen_ones_are_told() -> None:
    logits = _logits(3)
    best = int(logits[1].argmax())
    rows = [
        Row(Decoding(0), target=3),
        Row(Decoding(9, logprobs=4), banned=[best]),
        Row(Decoding(9)),
    ]
    scored, told, untold = _both(logits, rows)
    expected = torch.from_numpy(logits).log_softmax(-1).numpy()
    assert scored.token == 3
    assert scored.logprob == pytest.approx(expected[0, 3], abs=1e-5)
    assert told.token != best
    assert told.logprob == pytest.approx(expected[1, told.token], abs=1e-5)
    assert [token for token, _ in told.top] == np.argsort(-logits[1])[:4].tolist()
    assert untold.logprob is None
    assert _both(logits[:1], [Row(Decoding(9, logprobs=0))])[0].top == ()
    everything = _both(logits[:1], [Row(Decoding(9, logprobs=VOCABULARY + 1))])[0]
    assert len(everything.top) == VOCABULARY


def test_a_draw_depends_on_its_seed_and_place_alone() -> None:
    assert draws(7, 5) == draws(7, 500)[:5]
    assert draws(7, 5) != draws(8, 5)
    assert draws(-1, 3) == draws(2**64 - 1, 3)
    assert all(0 < each <= 1 for each in draws(3, 10_000))
