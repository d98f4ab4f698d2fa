"""A replica on a Ray cluster computes on a card or is refused; never on the CPU by oversight."""

import pytest

from app.replica_cards import placed
from app.settings import Settings


def settings(device: str) -> Settings:
    return Settings(_env_file=None, device=device)


def test_without_cards_nothing_has_to_be_said() -> None:
    for device in ("auto", "cpu"):
        assert placed(settings(device), None, 0).device == device


def test_a_cluster_with_cards_must_be_told() -> None:
    with pytest.raises(ValueError, match="has 4 GPUs: say num_gpus=1"):
        placed(settings("auto"), None, 4)
    assert placed(settings("auto"), 0, 4).device == "auto"
    assert placed(settings("cpu"), None, 4).device == "cpu"


def test_a_card_that_was_asked_for_is_used_or_the_start_fails() -> None:
    assert placed(settings("auto"), 1, 4).device == "cuda"
    assert placed(settings("auto"), 0.5, 4).device == "cuda"
    assert placed(settings("cuda:1"), 2, 4).device == "cuda:1"


@pytest.mark.parametrize("num_gpus", [None, 0])
def test_a_named_card_that_ray_would_hide_is_refused(num_gpus: float | None) -> None:
    with pytest.raises(ValueError, match="Ray hides"):
        placed(settings("cuda"), num_gpus, 0)
