"""The length-grouped order: similar lengths together, decided by seed and epoch alone."""

import torch

from training.trainer.trainers import LengthGroups

LENGTHS = [(7 * number) % 101 for number in range(400)]


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
