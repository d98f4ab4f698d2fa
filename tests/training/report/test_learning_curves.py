"""The learning curves: a picture from whatever a run logged."""

import io
from typing import Any

import matplotlib.image
import pytest

from training.report.learning_curves import curves_png

LOG: list[dict[str, Any]] = [
    {"step": 10, "loss": 3.0},
    {"step": 20, "loss": 2.5},
    {"step": 20, "eval_loss": 2.7},
    {"step": 30, "loss": 2.1},
    {"step": 30, "eval_loss": 2.9},
    {"step": 30, "train_loss": 2.5, "train_runtime": 3.0},
]


def _pixels(log: list[dict[str, Any]]) -> Any:
    return matplotlib.image.imread(io.BytesIO(curves_png("model", log)), format="png")


@pytest.mark.parametrize("log", [LOG, LOG[:2], []], ids=["whole", "no validation", "nothing"])
def test_it_is_a_picture_of_readable_size(log: list[dict[str, Any]]) -> None:
    height, width, _ = _pixels(log).shape
    assert width > 900
    assert height > 450


def test_both_curves_show_and_the_same_log_gives_the_same_file() -> None:
    whole = _pixels(LOG)
    for part in ("loss", "eval_loss"):
        without = _pixels([entry for entry in LOG if part not in entry])
        assert not (whole == without).all()
    assert curves_png("model", LOG) == curves_png("model", LOG)
