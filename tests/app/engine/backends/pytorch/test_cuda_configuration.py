"""PyTorch's GPT-2 as a card would run it, on a CPU: 16 bits, paged attention, recorded steps."""

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn.attention import varlen
from torch.utils._python_dispatch import TorchDispatchMode
from transformers import GPT2LMHeadModel

from app.engine.backends.interface import Run
from app.engine.backends.pytorch.gpt2 import Computing
from app.engine.backends.pytorch.graphs import Graphs
from app.engine.backends.pytorch.sampling import choose
from app.engine.interface import Decoding
from app.engine.sampling import Row, draws
from tests.app.engine.backends.pytorch.test_gpt2 import (
    BFLOAT16,
    BFLOAT16_TOLERANCE,
    HOPPER,
    TEXT,
    loaded,
    ours,
    reference,
)
from tests.conftest import CONTEXT_TOKENS


def attention_of_a_card(
    query: Tensor, key: Tensor, value: Tensor, cu_seq_q: Tensor, cu_seq_k: Tensor,
    max_q: int, max_k: int, *, scale: float, window_size: tuple[int, int], seqused_k: Tensor,
    block_table: Tensor, num_splits: int,
) -> Tensor:  # fmt: skip
    """Do what FlashAttention's paged kernel does, and refuse what it refuses."""
    assert query.dtype == key.dtype == value.dtype
    assert query.dtype in (torch.bfloat16, torch.float16)
    for numbers in (cu_seq_q, cu_seq_k, seqused_k, block_table):
        assert numbers.dtype == torch.int32
        assert numbers.is_contiguous()
    assert all(each.stride(-1) == 1 for each in (query, key, value))
    assert key.shape[1] % 256 == 0
    assert query.shape[2] % 8 == 0
    assert len(cu_seq_q) == len(cu_seq_k) == len(seqused_k) + 1 == len(block_table) + 1
    assert num_splits == 1
    assert window_size == (-1, 0)
    output = torch.full_like(query, math.nan)  # as uninitialised memory may hold
    for place, keys in enumerate(seqused_k.tolist()):
        rows = slice(int(cu_seq_q[place]), int(cu_seq_q[place + 1]))
        tokens = rows.stop - rows.start
        if tokens == 0:
            continue
        assert tokens <= max_q
        assert keys <= max_k
        ours = [
            part[block_table[place].long()].flatten(0, 1)[:keys].float() for part in (key, value)
        ]
        scores = torch.einsum("qhd,khd->hqk", query[rows].float(), ours[0]) * scale
        later = torch.arange(keys) > torch.arange(keys - tokens, keys)[:, None]
        weights = scores.masked_fill(later, -torch.inf).softmax(-1)
        output[rows] = torch.einsum("hqk,khd->qhd", weights, ours[1]).to(query.dtype)
    return output


@pytest.fixture(params=["gathered", "paged"])
def cuda_like(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Computing:
    """CUDA's configuration: 16-bit matrices, a float32 head, rows in pieces of one size."""
    monkeypatch.setattr(varlen, "varlen_attn", attention_of_a_card)
    return HOPPER if request.param == "paged" else BFLOAT16


@pytest.mark.parametrize("piece", [1000, 33, 1])
def test_bfloat16_is_near_in_pieces_of_any_size(
    pair: Path, cuda_like: Computing, piece: int
) -> None:
    backend = loaded(pair / "base", cuda_like, 2 * CONTEXT_TOKENS)
    expected = reference(pair / "base", TEXT)
    found = ours(backend, TEXT, piece)
    assert found.dtype == torch.float32
    allowed = BFLOAT16_TOLERANCE * expected.abs().max().item()
    torch.testing.assert_close(found, expected, rtol=0, atol=allowed)
    assert (found - expected).abs().mean() < allowed / 10


def test_16_bits_keep_logits_that_16_bits_would_merge(
    pair: Path, tmp_path: Path, cuda_like: Computing
) -> None:
    """GPT-2's logits lie far below zero, where bfloat16's steps are as wide as 0.5."""
    model = GPT2LMHeadModel.from_pretrained(pair / "base")
    model.transformer.wte.weight.data[:, 0] = 1.0
    model.transformer.ln_f.weight.data[0] = 0.0
    model.transformer.ln_f.bias.data[0] = -60.0  # of every logit
    model.save_pretrained(tmp_path)
    found = ours(loaded(tmp_path, cuda_like, 2 * CONTEXT_TOKENS), TEXT)
    expected = reference(tmp_path, TEXT)
    assert (found.argmax(-1) == expected.argmax(-1)).float().mean() >= 0.97
    ties = (found == found.max(-1, keepdim=True).values).sum(-1)
    assert ties.max() == 1


def test_in_16_bits_a_question_alone_and_in_a_batch_is_the_same(
    pair: Path, cuda_like: Computing
) -> None:
    backend = loaded(pair / "base", cuda_like, 90 * 256)
    own = -(-CONTEXT_TOKENS // backend.block_tokens)
    names = [range(own * place, own * (place + 1)) for place in range(80)]
    for place in range(80):
        backend.forward([Run(TEXT[place % 9 : place % 9 + 2 + place], 0, names[place], 0)])
    runs = [Run([61], 2 + place, names[place], 1) for place in range(80)]
    together = backend.forward(runs).clone()
    for place in (0, 1, 40, 63, 64, 79):
        assert torch.equal(backend.forward([runs[place]])[0], together[place])


class Replayed:
    """A CUDA graph as a CPU can have it: the same computation over the same memory."""

    recorded = 0

    def __init__(self, compute: Callable[[], Tensor]) -> None:
        Replayed.recorded += 1
        self._compute = compute
        self.output = torch.full_like(compute(), math.nan)

    def replay(self) -> None:
        self.output.copy_(self._compute())


def test_a_recorded_step_reads_nothing_but_its_numbers(
    pair: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(varlen, "varlen_attn", attention_of_a_card)
    monkeypatch.setattr(Replayed, "recorded", 0)
    eager = loaded(pair / "base", HOPPER, 8 * 256)
    recorded = loaded(pair / "base", replace(HOPPER, graphs=True), 8 * 256)
    recorded._graphs = Graphs(recorded.compute, Replayed)
    for length in (3, 50, 90):  # other texts, lengths and blocks, and other numbers of requests
        texts = [TEXT[place : place + length + place] for place in range(length % 4 + 1)]
        first = [Run(text, 0, [7 - place], 0) for place, text in enumerate(texts)]
        second = [Run([61, 5], len(text), [7 - place], 2) for place, text in enumerate(texts)]
        for runs in (first, second):
            expected = eager.forward(runs).clone()
            assert torch.equal(recorded.forward(runs), expected)
    assert Replayed.recorded == 1


class _Counted(TorchDispatchMode):  # type: ignore[no-untyped-call] # PyTorch leaves it untyped
    """Counts what a step asks of the device."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call] # likewise
        self.operations: list[str] = []

    def __torch_dispatch__(
        self, function: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        self.operations.append(str(function))
        return function(*args, **(kwargs or {}))


def everything(place: int) -> Row:
    """Return a row that asks for all there is: guarded, drawn, cut both ways and told."""
    decoding = Decoding(9, temperature=0.5 + place / 64, top_p=0.9, top_k=5 + place, logprobs=3)
    return Row(decoding, draws(place, 1)[0], banned=range(place + 1))


def mixed(place: int) -> Row:
    """Return a row of a batch in which each asks for something else, the first for all."""
    plain = Decoding(9)
    others = [Row(plain), Row(plain, banned=[4, 5]), Row(replace(plain, logprobs=place % 3))]
    return everything(place) if place % 4 == 0 else others[place % 4 - 1]


def greedy(_: int) -> Row:
    """Return a row of which the likeliest token is wanted, and nothing else."""
    return Row(Decoding(9))


def scored(place: int) -> Row:
    """Return a row of a reference that is read: how likely its next token is."""
    return Row(Decoding(1), target=place)


@pytest.mark.parametrize("decoded", [greedy, everything, mixed, scored])
def test_a_step_of_any_size_asks_as_much_and_never_waits(
    pair: Path, monkeypatch: pytest.MonkeyPatch, decoded: Callable[[int], Row]
) -> None:
    def attention(query: Tensor, *_: object, **__: object) -> Tensor:
        return torch.zeros_like(query)

    monkeypatch.setattr(varlen, "varlen_attn", attention)
    backend = loaded(pair / "base", HOPPER, 64 * 256)
    fetched: list[Any] = []
    tolist = Tensor.tolist

    def fetching(each: Tensor) -> Any:
        fetched.append(each)
        return tolist(each)

    monkeypatch.setattr(Tensor, "tolist", fetching)
    counts = []
    for requests in (1, 16, 64):
        fetched.clear()
        with _Counted() as counted:
            logits = backend.forward([Run([7], 20, [place], 1) for place in range(requests)])
            choices = choose(logits, [decoded(place) for place in range(requests)])
        assert len(choices) == requests
        assert len(fetched) == 1  # the chosen tokens, and all that is told of them
        counts.append(len(counted.operations))
        waiting = ("_local_scalar_dense", "nonzero", "multinomial", "item", "masked_select")
        assert not [name for name in counted.operations if any(word in name for word in waiting)]
    assert len(set(counts)) == 1
    assert counts[0] < 20 + 40 * 2 + 60


@pytest.mark.parametrize("guesses", [1, 3, 7])
def test_a_verified_guess_is_as_if_it_had_been_made(
    pair: Path, cuda_like: Computing, guesses: int
) -> None:
    backend = loaded(pair / "base", cuda_like, 2 * CONTEXT_TOKENS)
    names = list(range(backend.blocks))
    backend.forward([Run(TEXT[:40], 0, names, 0)])
    alone = [
        backend.forward([Run([TEXT[place]], place, names, 1)])[0].clone()
        for place in range(40, 41 + guesses)
    ]
    verified = backend.forward([Run(TEXT[40 : 41 + guesses], 40, names, 1 + guesses)])
    assert torch.equal(verified, torch.stack(alone))
