"""The exploration's figures, and their files: the same bytes for the same data.

Knows nothing about MedQuAD: a figure is made from names and numbers. Text is drawn as it is,
never as a formula, and stays text in the SVG, so that a page can be searched for it.
"""

import io
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

import matplotlib as mpl
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

INK, PAPER, FAINT = "#1f2328", "#ffffff", "#d5dae0"
BLUE, ORANGE, RED = "#0f6cb5", "#e69f00", "#c43d2b"  # told apart with every colour vision
VARIABLES = {
    INK: "--ink",
    PAPER: "--paper",
    FAINT: "--faint",
    BLUE: "--blue",
    ORANGE: "--orange",
    RED: "--red",
}
"""The CSS variable that stands for each colour in an SVG inside a page."""

_WIDTH_INCHES = 11.0
_ROW_INCHES = 0.25
_PNG_DOTS_PER_INCH = 120
_LABEL_CHARACTERS = 64
_NARROW_LABEL_CHARACTERS = 44
_BINS = 24
_STYLE: dict[str, Any] = {
    "font.family": ["DejaVu Sans"],
    "font.size": 10,
    "text.parse_math": False,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": FAINT,
    "axes.facecolor": "none",
    "axes.titlelocation": "left",
    "axes.titlesize": 13,
    "axes.titleweight": "bold",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "grid.color": FAINT,
    "grid.linewidth": 0.6,
    "xtick.color": INK,
    "ytick.color": INK,
    "figure.facecolor": PAPER,
    "figure.constrained_layout.use": True,
    "figure.constrained_layout.w_pad": 0.1,
    "legend.frameon": False,
    "svg.fonttype": "none",
}

Parts: TypeAlias = Mapping[str, tuple[str, Sequence[float]]]
"""The name of each part of the bars, with its colour and a number for every bar."""


def parts(table: pd.DataFrame, colours: Mapping[str, str]) -> Parts:
    """Return a table's columns as the parts of bars."""
    return {column: (colour, table[column].tolist()) for column, colour in colours.items()}


def render(draw: Callable[[], Figure], name: str) -> tuple[bytes, str]:
    """Return a figure as PNG bytes and as SVG text; `name` keeps the SVG's ids its own."""
    style: Any = _STYLE | {"svg.hashsalt": name}
    with mpl.rc_context(style):
        figure = draw()
        png, svg = io.BytesIO(), io.BytesIO()
        figure.savefig(png, format="png", dpi=_PNG_DOTS_PER_INCH, metadata={"Software": None})
        figure.savefig(svg, format="svg", metadata={"Date": None, "Creator": None})
    return png.getvalue(), svg.getvalue().decode()


def inline(svg: str, name: str) -> str:
    """Return an SVG file's text for use inside a page: the page's colours, ids of its own."""
    text = svg[svg.index("<svg") :]
    text = re.sub(r'\bid="', f'id="{name}-', text)
    text = re.sub(r"url\(#", f"url(#{name}-", text)
    text = re.sub(r'href="#', f'href="#{name}-', text)
    for colour, variable in VARIABLES.items():
        text = text.replace(colour, f"var({variable})")
    # The width is the page's to choose; the view box keeps the proportions.
    view = re.search(r'viewBox="[^"]*"', text)
    assert view, "matplotlib writes a view box"
    return f'<svg {view[0]} aria-hidden="true">{text[text.index(">") + 1 :].strip()}'


def bars(title: str, labels: Sequence[str], parts: Parts, number: str = "{:,.0f}") -> Figure:
    """Draw a horizontal bar per label, its parts end to end and the sum (as `number`) behind."""
    height = 1.2 + 1.3 * _ROW_INCHES * len(labels)
    figure = Figure(figsize=(_WIDTH_INCHES, max(height, 2.0)))
    axes = figure.add_subplot()
    _stack(axes, labels, parts, number, _LABEL_CHARACTERS)
    axes.set_title(title)
    _legend(figure, axes, parts)
    return figure


def long_bars(title: str, labels: Sequence[str], parts: Parts) -> Figure:
    """Draw as `bars` does, in two columns on one scale, so that a hundred labels stay legible."""
    half = -(-len(labels) // 2)
    figure = Figure(figsize=(_WIDTH_INCHES, max(1.0 + _ROW_INCHES * half, 2.0)))
    columns = figure.subplots(1, 2, sharex=True, squeeze=False)[0]
    for axes, start in zip(columns, (0, half), strict=True):
        some = slice(start, start + half)
        shown = {part: (colour, values[some]) for part, (colour, values) in parts.items()}
        _stack(axes, labels[some], shown, "{:,.0f}", _NARROW_LABEL_CHARACTERS)
    figure.suptitle(title, x=0.01, ha="left", fontsize=13, fontweight="bold")
    _legend(figure, columns[0], parts)
    return figure


def grouped_bars(title: str, labels: Sequence[str], parts: Parts, number: str) -> Figure:
    """Draw one bar beside the other for every part of a label."""
    bar = 0.8 / max(len(parts), 1)
    height = 1.2 + 1.1 * _ROW_INCHES * len(labels) * (len(parts) + 1)
    figure = Figure(figsize=(_WIDTH_INCHES, height))
    axes = figure.add_subplot()
    for place, (part, (colour, values)) in enumerate(parts.items()):
        rows = [row + bar * (place - (len(parts) - 1) / 2) for row in range(len(labels))]
        drawn = axes.barh(rows, values, height=bar * 0.92, color=colour, label=part)
        axes.bar_label(drawn, [number.format(value) for value in values], padding=3, fontsize=9)
    _rows(axes, labels)
    most = max((value for _, values in parts.values() for value in values), default=0)
    axes.set_xlim(0, most * 1.08 or 1)
    axes.xaxis.set_major_formatter(lambda value, _: number.format(value))
    axes.set_title(title)
    _legend(figure, axes, parts)
    return figure


def histogram(
    title: str,
    unit: str,
    series: Mapping[str, tuple[str, Sequence[int]]],
    *,
    logarithmic: bool = False,
) -> Figure:
    """Draw several distributions of whole numbers from 1 on, over the same bins."""
    figure = Figure(figsize=(_WIDTH_INCHES, 4.2))
    axes = figure.add_subplot()
    numbers = [number for _, values in series.values() for number in values]
    edges = _edges(min(numbers), max(numbers), logarithmic=logarithmic)
    for place, (name, (colour, values)) in enumerate(series.items()):
        first = {"histtype": "stepfilled", "alpha": 0.45, "linewidth": 0}
        look: dict[str, Any] = first if place == 0 else {"histtype": "step", "linewidth": 2}
        axes.hist(values, bins=edges, color=colour, label=name, **look)
    if logarithmic:
        axes.set_xscale("log")
    axes.set_xlim(edges[0], edges[-1])
    axes.xaxis.set_major_formatter(_plain)
    axes.yaxis.set_major_formatter(_plain)
    axes.grid(axis="y")
    axes.set_xlabel(f"{unit}, logarithmic" if logarithmic else unit)
    axes.set_ylabel("rows")
    axes.set_title(title)
    axes.legend()
    return figure


def heat_map(
    title: str, rows: Sequence[str], columns: Sequence[str], counts: Sequence[Sequence[int]]
) -> Figure:
    """Draw a table of counts, the larger the deeper."""
    figure = Figure(figsize=(_WIDTH_INCHES, 1.6 + 1.2 * _ROW_INCHES * len(rows)))
    axes = figure.add_subplot()
    most = max((max(line, default=0) for line in counts), default=0) or 1
    for row, line in enumerate(counts):
        for column, count in enumerate(line):
            if not count:
                continue
            depth = 0.08 + 0.52 * (count / most) ** 0.5  # the small ones stay visible
            axes.add_patch(Rectangle((column, row - 0.5), 1, 1, facecolor=BLUE, alpha=depth))
            axes.text(column + 0.5, row, f"{count:,}", ha="center", va="center", fontsize=9)
    _rows(axes, rows)
    axes.grid(visible=False)
    axes.set_xlim(0, max(len(columns), 1))
    places = [column + 0.5 for column in range(len(columns))]
    names = [_label(name, _LABEL_CHARACTERS) for name in columns]
    axes.set_xticks(places, names, rotation=25, ha="right", rotation_mode="anchor")
    axes.set_title(title)
    return figure


def _stack(axes: Axes, labels: Sequence[str], parts: Parts, number: str, characters: int) -> None:
    sums = [0.0] * len(labels)
    for part, (colour, values) in parts.items():
        axes.barh(range(len(labels)), values, left=sums, height=0.74, color=colour, label=part)
        sums = [total + value for total, value in zip(sums, values, strict=True)]
    for row, total in enumerate(sums):
        axes.annotate(
            number.format(total),
            (total, row),
            xytext=(4, 0),
            textcoords="offset points",
            va="center",
            fontsize=9,
        )
    _rows(axes, labels, characters)
    # matplotlib's own margin ends at an empty part.
    axes.set_xlim(0, max(*sums, axes.get_xlim()[1] / 1.08, 0) * 1.08 or 1)


def _rows(axes: Axes, labels: Sequence[str], characters: int = _LABEL_CHARACTERS) -> None:
    """Name the rows, the first on top."""
    axes.set_yticks(range(len(labels)), [_label(label, characters) for label in labels])
    axes.set_ylim(max(len(labels), 1) - 0.4, -0.6)
    axes.tick_params(axis="both", length=0)
    axes.xaxis.set_major_formatter(_plain)
    axes.grid(axis="x")


def _label(text: str, characters: int) -> str:
    return text if len(text) <= characters else f"{text[: characters - 1].rstrip()}…"


def _plain(value: float, _: float) -> str:
    return f"{value:,g}"


def _edges(least: int, most: int, *, logarithmic: bool) -> list[float]:
    """Return bins between whole numbers: one each, or `_BINS` that grow by a factor."""
    if not logarithmic:
        return [number - 0.5 for number in range(least, most + 2)]
    steps = {round(least * (most / least) ** (step / _BINS)) for step in range(_BINS)}
    return [number - 0.5 for number in sorted(steps)] + [most + 0.5]


def _legend(figure: Figure, axes: Axes, parts: Parts) -> None:
    if len(parts) > 1:
        handles, names = axes.get_legend_handles_labels()
        figure.legend(handles, names, loc="outside lower left", ncols=len(parts))
