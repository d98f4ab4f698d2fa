"""A run's learning curves from Trainer's log, as a PNG beside the model."""

from collections.abc import Sequence
from typing import Any

from matplotlib.figure import Figure

from training.plots import BLUE, ORANGE, render

CURVES = "learning-curves.png"
"""The file's name in a model directory."""

_INCHES = (9.0, 4.5)


def learning_curves(log: Sequence[dict[str, Any]], title: str) -> bytes:
    """Return a PNG of training and validation loss (nats per token) by step.

    `log` is Trainer's `log_history`. The lowest validation loss is marked.
    """
    png, _ = render(lambda: _draw(log, title), "learning-curves")
    return png


def _draw(log: Sequence[dict[str, Any]], title: str) -> Figure:
    figure = Figure(figsize=_INCHES)
    axes = figure.add_subplot()
    # The last entry of a training log sums the run up and has no "loss".
    training = [(entry["step"], entry["loss"]) for entry in log if "loss" in entry]
    valid = [(entry["step"], entry["eval_loss"]) for entry in log if "eval_loss" in entry]
    if training:
        axes.plot(*zip(*training, strict=True), color=BLUE, label="training")
    if valid:
        axes.plot(*zip(*valid, strict=True), color=ORANGE, marker="o", label="validation")
        step, least = min(valid, key=lambda point: point[1])
        axes.annotate(
            f"{least:.3f} at step {step:,}",
            (step, least),
            xytext=(0, 8),
            textcoords="offset points",
            ha="right",
            va="bottom",
        )
    axes.grid(visible=True)
    axes.set_xlabel("step")
    axes.set_ylabel("loss, nats per token")
    axes.set_title(title)
    if training or valid:
        axes.legend()
    return figure
