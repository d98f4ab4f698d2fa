"""`python -m app check` finds nothing wrong with what is right, and each fault that is planted."""

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from app import check
from app.__main__ import main
from app.engine.backends.gpt2 import GPT2, Shape
from app.engine.backends.interface import Backend, Run
from app.engine.backends.pytorch.gpt2 import Computing, TorchGPT2
from app.engine.checkpoint import Checkpoint, load
from app.engine.checks import torch_device
from app.engine.checks.subject import Finding, Subject
from app.engine.guard import inside_words
from app.engine.interface import Source
from app.engine.sampling import Choice, Row
from app.engine.weights import Weights
from app.engine.worker import choose

RUNNING = 4


@pytest.fixture(scope="module")
def right(pair: Path) -> Subject:
    """The tiny model by PyTorch in CUDA's formats, and by OpenVINO to compare with."""
    source = Source(str(pair / "base"))
    served = load(source, device="cpu", dtype="float32", threads=1, cache_tokens=16 * 128)
    config = json.loads((pair / "base" / "config.json").read_text())
    model = GPT2(Weights(pair / "base"), Shape.of(config))
    backend = TorchGPT2(model, Computing(torch.device("cpu"), torch.float32), 16 * 128)
    return Subject(replace(served, backend=backend), served.backend, choose)


def off(subject: Subject) -> dict[str, str]:
    """Return what is off, by the check that found it."""
    return {each.name: each.off for each in check.of_subject(subject, RUNNING) if each.off}


class Faulty:
    """A backend with one thing wrong."""

    def __init__(self, backend: Backend) -> None:
        self.backend = backend
        self.block_tokens = backend.block_tokens
        self.blocks = backend.blocks

    def forward(self, runs: Sequence[Run]) -> Any:
        return self.backend.forward(runs)

    def ran_out_of_memory(self, error: Exception) -> bool:
        return self.backend.ran_out_of_memory(error)


class Rounded(Faulty):
    def forward(self, runs: Sequence[Run]) -> Any:
        logits = super().forward(runs)
        return ((logits - 60).bfloat16() + 60).float()  # as a head in 16 bits would have them


class Scaled(Faulty):
    def forward(self, runs: Sequence[Run]) -> Any:
        return super().forward(runs) * 0.9


class Endless(Faulty):
    def forward(self, runs: Sequence[Run]) -> Any:
        return super().forward(runs) * float("nan")


class ByCompany(Faulty):
    def forward(self, runs: Sequence[Run]) -> Any:
        return super().forward(runs).roll(len(runs) - 1, dims=-1)


class Forgetful(Faulty):
    """Keeps what a cancelled request left: later ones read it."""

    def forward(self, runs: Sequence[Run]) -> Any:
        if len(runs) == 1 and runs[0].kv_length == 0 and len(runs[0].tokens) == 24 and self.left:
            return super().forward(runs).flip(-1)
        self.left = len(runs[0].tokens) == 53 or (self.left and runs[0].kv_length > 0)
        return super().forward(runs)

    left = False


class Mortal(Faulty):
    def ran_out_of_memory(self, error: Exception) -> bool:
        return False


class Broken(Faulty):
    def forward(self, runs: Sequence[Run]) -> Any:
        if len(runs) > 1:
            raise RuntimeError("CUDA error: an illegal memory access was encountered")
        return super().forward(runs)


@pytest.mark.parametrize(
    ("fault", "name", "words"),
    [(Rounded, "like the CPU in float32", "likeliest token"),
     (Scaled, "like the CPU in float32", "of the bits"),
     (Endless, "like the CPU in float32", "likeliest token is the CPU's in"),
     (ByCompany, "alone and in a batch", "another token in a batch"),
     (ByCompany, "seeds", "in a batch"),
     (Forgetful, "cancellation", "after another was cancelled"),
     (Mortal, "out of memory", "ends the model: MemoryError"),
     (Broken, "alone and in a batch", "illegal memory access")],
)  # fmt: skip
def test_a_planted_fault_is_found(
    right: Subject, fault: Callable[[Backend], Any], name: str, words: str
) -> None:
    wrong = replace(right, checkpoint=replace(right.checkpoint, backend=fault(right.backend)))
    assert words in off(wrong)[name]


def test_faults_of_the_choice_are_found(right: Subject) -> None:
    drawn = iter(range(10_000))
    whole_word = min(set(range(20, 300)) - inside_words(right.checkpoint.tokenizer))

    @torch.inference_mode()
    def unguarded(logits: Any, rows: Sequence[Row]) -> list[Choice]:
        logits[:, whole_word] = 1e4
        return choose(logits, [row._replace(banned=()) for row in rows])

    def by_chance(logits: Any, rows: Sequence[Row]) -> list[Choice]:
        return choose(logits, [row._replace(draw=1 / (2 + next(drawn))) for row in rows])

    def without_seeds(logits: Any, rows: Sequence[Row]) -> list[Choice]:
        return choose(logits, [row._replace(draw=0.5) for row in rows])

    assert "come twice" in off(replace(right, choose=unguarded))["guard against repetition"]
    assert "draws another answer" in off(replace(right, choose=by_chance))["seeds"]
    assert off(replace(right, choose=without_seeds)) == {
        "seeds": "another seed draws the same answer"
    }


def test_a_host_that_waits_is_found(right: Subject) -> None:
    def waiting(logits: Any, rows: Sequence[Row]) -> list[Choice]:
        assert bool((logits[0] > -torch.inf).any())
        return choose(logits, rows)

    found = torch_device.host_waits(replace(right, choose=waiting))
    assert found.off == "a decode step makes the host wait 2 times"


def test_memory_that_is_given_without_end_is_found(right: Subject) -> None:
    from app.engine.checks.endurance import out_of_memory

    assert out_of_memory(right, lambda: None).off == "more memory was given than there is"


def test_nothing_is_off_where_all_is_right(right: Subject) -> None:
    found = {each.name: each for each in check.of_subject(right, RUNNING)}
    assert {name for name, each in found.items() if each.off} == set()
    assert found["like the CPU in float32"].figures["worst_log_probability"] < 1e-3
    assert found["waits of the host in a step"].figures == {"waits": 1}
    assert found["speed of 4"].figures["tokens_per_second"] > 0
    assert found["CUDA graphs"].figures == {"tried": False}


def test_in_cudas_formats_nothing_is_off_but_what_rounding_costs(
    right: Subject, pair: Path
) -> None:
    config = json.loads((pair / "base" / "config.json").read_text())
    model = GPT2(Weights(pair / "base"), Shape.of(config))
    backend = TorchGPT2(model, Computing(torch.device("cpu"), torch.bfloat16), 16 * 128)
    served = replace(right.checkpoint, backend=backend, dtype="bfloat16")
    found = {each.name: each for each in check.of_subject(replace(right, checkpoint=served), 2)}
    assert found.pop("like the CPU in float32").figures["argmax"] > 0.9  # 32 wide and random
    assert {name for name, each in found.items() if each.off} == set()
    assert found["alone and in a batch"].figures["identical"]


@pytest.fixture
def tiny_pair(pair: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MEDQA_FINE_TUNED_MODEL", str(pair / "fine-tuned"))
    monkeypatch.setenv("MEDQA_BASE_MODEL", str(pair / "base"))


@pytest.mark.usefixtures("tiny_pair")
def test_the_command_reports_both_models(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "--device", "cpu"]) == 0
    printed = capsys.readouterr()
    report = json.loads(printed.out)
    assert report["off"] == []
    assert set(report["models"]) == {"fine-tuned", "base"}
    for model in report["models"].values():
        assert model["decision"]["device"] == "cpu"
        assert model["decision"]["backend"] == "openvino"
        names = [finding["name"] for finding in model["findings"]]
        assert {"seeds", "cancellation", "out of memory", "speed of 1"} <= set(names)
    assert report["packages"]["torch"] == torch.__version__
    assert "OFF" not in printed.err


@pytest.mark.usefixtures("tiny_pair")
def test_the_command_fails_if_anything_is_off(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def wrong(subject: Subject) -> Finding:
        return Finding("seeds", {}, "the same seed draws another answer again")

    monkeypatch.setattr("app.engine.checks.correctness.seeds", wrong)
    assert main(["check", "--device", "cpu"]) == 1
    printed = capsys.readouterr()
    assert len(json.loads(printed.out)["off"]) == 2
    assert "OFF  seeds" in printed.err


@pytest.mark.usefixtures("tiny_pair")
def test_a_device_that_cannot_be_had_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "--device", "cuda"]) == 1
    assert "driver" in json.loads(capsys.readouterr().out)["off"][0]


def test_an_unknown_command_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["chek"]) == 2
    assert "'chek' is no command" in capsys.readouterr().err


def test_logits_are_compared_as_arrays_of_their_own(right: Subject) -> None:
    from app.engine.checks.subject import read

    found = read(right.backend, right.text(30))
    again = read(right.backend, right.text(20))
    np.testing.assert_allclose(found[:20], again, atol=1e-4)


def test_the_checkpoint_is_what_is_served(right: Subject) -> None:
    assert isinstance(right.checkpoint, Checkpoint)
    assert right.backend is right.checkpoint.backend
