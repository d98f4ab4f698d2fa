"""A figure with a hundred rows can be read."""

import itertools
from collections.abc import Iterator
from typing import Any

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from training.report import plots


def labels_of(figure: Figure) -> Iterator[tuple[str, tuple[float, float, float, float]]]:
    """Yield the row labels with their boxes in pixels: left, bottom, right, top."""
    canvas: Any = FigureCanvasAgg(figure)  # matplotlib leaves its methods untyped
    renderer = canvas.get_renderer()
    for axes in figure.axes:
        for label in axes.get_yticklabels():
            yield label.get_text(), label.get_window_extent(renderer).extents


def test_a_hundred_long_labels_are_legible() -> None:
    names = [f"{number} A condition whose name is long enough to be cut" for number in range(100)]
    drawn: list[Figure] = []

    def draw() -> Figure:
        drawn.append(plots.long_bars("Rows", names, {"rows": (plots.BLUE, [3] * 100)}))
        return drawn[0]

    plots.render(draw, "rows")
    figure = drawn[0]
    boxes = dict(labels_of(figure))
    assert [name.split()[0] for name in boxes] == [str(number) for number in range(100)]
    width, height = figure.bbox.size
    for left, bottom, right, top in boxes.values():
        assert left >= 0
        assert bottom >= 0
        assert right <= width
        assert top <= height
        assert (top - bottom) / figure.dpi > 0.12  # inches, descenders included
    for (left, low, right, high), (a, b, c, d) in itertools.combinations(boxes.values(), 2):
        air = 0.3 * (high - low)
        assert right <= a or c <= left or high + air <= b or d + air <= low
