"""Losses are looked at once a step; similar lengths come together, by seed and epoch alone."""

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from transformers import Trainer

from training.errors import TrainingError
from training.trainer.trainers import FiniteTrainer, LengthGroups

LENGTHS = [(7 * number) % 101 for number in range(400)]


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


def _order(seed: int, epoch: int) -> list[int]:
    groups = LengthGroups(LENGTHS, 8, seed)
    groups.set_epoch(epoch)
    return list(groups)


def test_every_example_comes_once_among_others_of_its_length() -> None:
    order = _order(1, 0)
    assert sorted(order) == list(range(400))
    groups = [[LENGTHS[index] for index in order[at : at + 8]] for at in range(0, 400, 8)]
    spread = [max(group) - min(group) for group in groups[1:]]  # the longest of all comes first
    assert sum(spread) / len(spread) < 15, "of 100: in a random order it is about 78"


def test_seed_and_epoch_decide_and_nothing_else_does() -> None:
    first = _order(1, 3)
    torch.manual_seed(99)
    torch.rand(5)
    assert _order(1, 3) == first
    assert _order(1, 4) != first
    assert _order(2, 3) != first
