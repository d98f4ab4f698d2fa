"""Peers make the tokens that `generate()` makes: they are compared at the same work."""

import importlib
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoTokenizer

from benchmarks import engine
from benchmarks.harness.apart import apart
from benchmarks.peers import (
    bare_loop,
    ctranslate2,
    generate,
    llama_cpp,
    openvino,
    openvino_genai,
    ours,
)
from benchmarks.peers.contract import Case, Peer

CPU = torch.device("cpu")
PROMPTS = [[5, 6, 7, 8, 9], [11, 12, 13, 14, 15], [21, 22, 23, 24, 25]]
NEW_TOKENS = 20


@pytest.fixture(scope="module")
def wanted(pair: Path) -> list[list[int]]:
    """What `generate()` makes in fp32."""
    made = generate.cases(pair / "base", CPU)[generate.BASELINE].generate(PROMPTS, NEW_TOKENS)
    assert len({tuple(answer) for answer in made}) == len(PROMPTS)
    assert all(len(set(answer)) > 2 for answer in made)
    return made


def test_one_after_another_makes_the_same(pair: Path, wanted: list[list[int]]) -> None:
    case = generate.cases(pair / "base", CPU)["generate(), fp32, one after another"]
    assert case.generate(PROMPTS, NEW_TOKENS) == wanted[: generate.MOST_IN_TURN]


def test_the_bare_loop_makes_the_same(pair: Path, wanted: list[list[int]]) -> None:
    case = bare_loop.cases(pair / "base", CPU)["bare PyTorch loop, fp32"]
    assert case.generate(PROMPTS, NEW_TOKENS) == wanted


def test_ours_makes_the_same(pair: Path, wanted: list[list[int]]) -> None:
    cases = ours.cases(pair / "base", CPU)
    try:
        made = cases["ours, fp32"].generate(PROMPTS, NEW_TOKENS)
    finally:
        for case in cases.values():
            case.close()
    for answer, whole in zip(made, wanted, strict=True):
        assert answer == whole[: len(answer)]  # ours ends where the model ends


@pytest.mark.parametrize(
    ("peer", "name"),
    [
        (ctranslate2, "CTranslate2, fp32"),
        (openvino, "OpenVINO, fp32"),
        (openvino_genai, "OpenVINO GenAI, fp32"),
        (llama_cpp, "llama.cpp (AVX2 wheel), fp32"),
    ],
)
def test_other_engines_make_the_same_where_they_are_installed(
    peer: Peer, name: str, pair: Path, wanted: list[list[int]]
) -> None:
    for package in peer.PACKAGES:
        pytest.importorskip(package.replace("-", "_"))
    with apart(peer.__name__, pair / "base", CPU) as cases:  # as they are measured
        made = cases[name].generate(PROMPTS, NEW_TOKENS)
    assert all(len(answer) == NEW_TOKENS for answer in made)
    end = AutoTokenizer.from_pretrained(pair / "base").eos_token_id
    for answer, whole in zip(made, wanted, strict=True):
        # CTranslate2 reaches the length by making no end token; from there on they differ.
        shared = whole.index(end) if end in whole else NEW_TOKENS
        assert answer[:shared] == whole[:shared]


def test_a_peer_that_is_not_installed_says_how_to_get_it(
    pair: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "absent_peer.py").write_text(
        'PACKAGES = ("absent", "another")\ndef cases(directory, device):\n    import absent\n'
    )
    monkeypatch.syspath_prepend(tmp_path)
    absent: Any = importlib.import_module("absent_peer")
    with ExitStack() as closing:
        cases, missing = engine._load([absent], pair / "base", CPU, closing)
    assert cases == {}
    assert missing == [
        {"case": "absent another", "note": "not installed: pip install absent another"}
    ]


def test_a_peer_works_in_a_process_of_its_own(pair: Path, wanted: list[list[int]]) -> None:
    with ExitStack() as closing:
        cases, _ = engine._load([bare_loop], pair / "base", CPU, closing)
        case = cases["bare PyTorch loop, fp32"]
        assert case.generate(PROMPTS, NEW_TOKENS) == wanted
        assert case.bytes_per_weight == 4
        with pytest.raises(RuntimeError, match=r"bare PyTorch loop, fp32: .*index out of range"):
            case.generate([[10**6]], 1)
        assert case.generate(PROMPTS, NEW_TOKENS) == wanted, "it lives on"


def test_an_answer_that_is_too_short_is_no_speed() -> None:
    with pytest.raises(RuntimeError, match="tokens instead of 8"):
        engine._tokens_per_second(Case(lambda prompts, _: [[1]] * len(prompts), 4), PROMPTS, 8)
