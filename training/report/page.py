"""Sections of words, figures, tables and samples become one HTML page that needs no other file.

Knows nothing about MedQuAD. Every text is escaped; only the SVG, which `plots` drew, is put
in as it is. Figures take their colours from the page, light or dark.
"""

from collections.abc import Callable, Iterator, Sequence
from numbers import Integral, Real
from typing import NamedTuple

import pandas as pd
from matplotlib.figure import Figure

from training.report.plots import inline, render
from training.report.templates import fill

_TEMPLATE = "page.html.jinja"


class Plot(NamedTuple):
    """A figure: its file name without suffix, both files, and one sentence on what it shows."""

    name: str
    png: bytes
    svg: str
    says: str


def drawn(name: str, draw: Callable[[], Figure], says: str) -> Plot:
    """Return a figure with its files."""
    return Plot(name, *render(draw, name), says)


class Table(NamedTuple):
    """A table: its file name without suffix, its title, and its rows; `folded` until asked for."""

    name: str
    title: str
    rows: pd.DataFrame
    folded: bool = False


class Column(NamedTuple):
    """One text of a sample: whose it is, a note on it, and the text.

    `marks` are the `(start, end)` of what is underlined in it; `url` is where it stands.
    """

    title: str
    note: str
    text: str
    marks: Sequence[tuple[int, int]] = ()
    url: str = ""


class Sample(NamedTuple):
    """Texts to read side by side; `more` further ones of the first kind are not shown."""

    title: str
    note: str
    columns: Sequence[Column]
    more: int = 0


class Section(NamedTuple):
    """A heading with what stands below it."""

    name: str
    title: str
    text: str
    plots: Sequence[Plot]
    tables: Sequence[Table]
    samples: Sequence[Sample] = ()


def page(title: str, lead: str, sections: Sequence[Section], origin: str) -> str:
    """Return the page's HTML; `origin` says at its foot what it was made from."""
    return fill(
        _TEMPLATE,
        {"inline": inline, "cell": cell, "is_number": is_number, "marked": marked},
        title=title,
        lead=lead,
        sections=sections,
        origin=origin,
    )


def cell(value: object, column: str) -> str:
    """Return a table's value as a person reads it; fractions are percentages.

    A column of fractions is one whose name says "share" ("Share", "Dropped share").
    """
    if isinstance(value, Integral):
        return f"{int(value):,}"
    if isinstance(value, Real):
        return f"{float(value):.1%}" if "share" in column.lower() else f"{float(value):,.1f}"
    return str(value)


def marked(column: Column) -> Iterator[tuple[str, bool]]:
    """Yield a column's text in pieces, and whether each is marked."""
    place = 0
    for start, end in column.marks:
        yield column.text[place:start], False
        yield column.text[start:end], True
        place = end
    yield column.text[place:], False


def is_number(value: object) -> bool:
    """Return whether a value is a number, which stands right in its column."""
    return isinstance(value, Real)
