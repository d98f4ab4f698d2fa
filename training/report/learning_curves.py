"""How a run's losses fell, from the log that Trainer kept of it.

Knows nothing about what was trained on.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.figure import Figure

from training.report.plots import BLUE, ORANGE, render

CURVES = "learning-curves.png"
"""The file's name in a model directory."""

_SIZE_INCHES = (11.0, 4.2)

Log = Sequence[Mapping[str, Any]]


def points(log: Log, key: str) -> tuple[list[int], list[float]]:
    """Return the steps that a log has a value for, and the values: `loss`, `eval_loss`."""
    found = [(int(entry["step"]), float(entry[key])) for entry in log if key in entry]
    return [step for step, _ in found], [value for _, value in found]


def best(log: Log) -> tuple[int, float] | None:
    """Return the step with the lowest validation loss, and that loss; None without any."""
    steps, losses = points(log, "eval_loss")
    return min(zip(steps, losses, strict=True), key=lambda point: point[1], default=None)


def learning_curves(title: str, log: Log) -> Figure:
    """Draw training and validation loss over the updates made."""
    figure = Figure(figsize=_SIZE_INCHES)
    axes = figure.add_subplot()
    if any("loss" in entry for entry in log):
        axes.plot(*points(log, "loss"), color=BLUE, linewidth=1.2, label="training")
    if any("eval_loss" in entry for entry in log):
        axes.plot(
            *points(log, "eval_loss"), color=ORANGE, linewidth=2, marker="o", label="validation"
        )
    if lowest := best(log):
        axes.annotate(
            f"{lowest[1]:.3f}",
            lowest,
            xytext=(0, 8),
            textcoords="offset points",
            ha="center",
            fontsize=9,
        )
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:,g}")
    axes.set_xlabel("updates")
    axes.set_ylabel("loss, nats per token")
    axes.grid(axis="y")
    axes.set_title(title)
    if axes.lines:
        axes.legend()
    return figure


def curves_png(title: str, log: Log) -> bytes:
    """Return the same as a PNG, to be saved with a model."""
    png, _ = render(lambda: learning_curves(title, log), "learning-curves")
    return png
