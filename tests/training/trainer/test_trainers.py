"""Losses are looked at once a step, however many batches that has; one that is none is named."""

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from transformers import Trainer

from training.errors import TrainingError
from training.trainer.trainers import FiniteTrainer


def trainer(losses: list[float], batches_of_a_step: int, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return one whose batches have these losses; `looks` counts how often the host looks."""
    made = iter(losses)
    count = iter(range(1, len(losses) + 1))
    built: Any = FiniteTrainer.__new__(FiniteTrainer)
    built.state = SimpleNamespace(global_step=6)
    built.processing_class = None
    built.looks = 0

    def step(self: Any, *_: object) -> torch.Tensor:
        last = next(count) % batches_of_a_step == 0
        self.accelerator = SimpleNamespace(sync_gradients=last)
        return torch.tensor(next(made))

    def looked(tensor: torch.Tensor, *_: object) -> Any:
        built.looks += 1
        return to_list(tensor)

    to_list = torch.Tensor.tolist
    monkeypatch.setattr(Trainer, "training_step", step)
    monkeypatch.setattr(torch.Tensor, "tolist", looked)
    for name in ("__float__", "__bool__", "item"):
        monkeypatch.setattr(torch.Tensor, name, lambda *_: pytest.fail("the host waits"))
    return built


def batch(first: int) -> dict[str, torch.Tensor]:
    return {"input_ids": torch.arange(first, first + 3)[None]}


def test_the_host_looks_once_a_step(monkeypatch: pytest.MonkeyPatch) -> None:
    running = trainer([1.0] * 8, 4, monkeypatch)
    for number in range(8):
        running.training_step(None, batch(number))
    assert running.looks == 2


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_a_loss_that_is_no_number_is_told_with_its_batch_before_the_model_changes(
    monkeypatch: pytest.MonkeyPatch, bad: float
) -> None:
    running = trainer([1.0, bad, 2.0, 1.0], 3, monkeypatch)
    running.training_step(None, batch(10))
    running.training_step(None, batch(20))
    with pytest.raises(TrainingError, match=r"step 7: the loss is (nan|inf) .*\[20, 21, 22\]"):
        running.training_step(None, batch(30))
