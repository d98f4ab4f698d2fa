"""`python -m training explore`: look at the prepared data before anything learns from it.

Written to --out:
    exploration.html             everything below, on one page that needs no other file
    plots/*.png, plots/*.svg     the figures
    tables/*.csv                 the tables; shares are fractions

The same data give the same bytes, with the same version of matplotlib.
"""

import argparse
import csv
import hashlib
import logging
from pathlib import Path

import matplotlib as mpl
import pandas as pd

from training.data.medquad import NOTEBOOK_COLUMNS
from training.errors import DataError
from training.exploration.data_sections import data_sections
from training.exploration.notebook_replay import PAIR, notebook_rows
from training.exploration.notebook_sections import notebook_sections
from training.files import write_whole
from training.report.page import Section, page

NEEDED = {
    "seed.csv": NOTEBOOK_COLUMNS,
    "medquad.csv": [
        *NOTEBOOK_COLUMNS,
        "Source",
        "QuestionType",
        "LowerCaseSchema",
        "FocusFixed",
        "QuestionClean",
        "AnswerClean",
        "Flags",
        "Keep",
        "Split",
        "SeedRow",
    ],
}
"""The files and columns that are read, as `prepare` writes them."""

logger = logging.getLogger(__name__)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    parser.add_argument(
        "--data", type=Path, default=Path("data"), help="directory that `prepare` wrote"
    )
    parser.add_argument(
        "--out", type=Path, default=Path("data/exploration"), help="directory to write to"
    )


def run(arguments: argparse.Namespace) -> int:
    """Run the command."""
    print(explore(arguments.data, arguments.out))
    return 0


def explore(data: Path, out: Path) -> Path:
    """Write the page, its figures and its tables to `out`; return the page's path.

    Raises:
        DataError: the data are not what `prepare` writes, or `out` cannot be written.
    """
    notebook, table = (_read(data, name) for name in NEEDED)
    if not notebook[PAIR].equals(notebook_rows(table)[PAIR]):
        raise DataError(
            f"{data / 'seed.csv'} and {data / 'medquad.csv'} hold different rows; "
            "prepare both again"
        )
    kept = table[table["Keep"] == "1"]
    if (kept[["Focus", "Question", "Answer", "QuestionClean", "AnswerClean"]] == "").all().any():
        raise DataError(
            f"{data / 'medquad.csv'} keeps no row with a Focus, a question and an answer"
        )
    logger.info("counting and drawing %s rows", f"{len(table):,}")
    found = data_sections(notebook, table) + notebook_sections(notebook, table)
    digest = hashlib.sha256((data / "medquad.csv").read_bytes()).hexdigest()
    html = page(
        "MedQuAD, explored",
        f"{len(table):,} questions and answers as published, what is wrong with them, what the "
        f"original notebook made of them and what we do instead. {len(kept):,} pairs are left "
        " to learn from and to test on.",
        found,
        f"Made from medquad.csv (SHA-256 {digest}) with pandas {pd.__version__} and matplotlib "
        f"{mpl.__version__}; every number on this page was computed. Data: MedQuAD (Ben Abacha & "
        f"Demner-Fushman 2019), CC BY 4.0.",
    )
    _write_all(found, html, out)
    return out / "exploration.html"


def _read(data: Path, name: str) -> pd.DataFrame:
    path = data / name
    if not path.is_file():
        raise DataError(f"{path} is missing; `python -m training prepare --out {data}` writes it")
    try:
        table = pd.read_csv(path, dtype=str, keep_default_na=False, encoding="utf-8")
    except (ValueError, OSError, csv.Error) as error:  # pandas' own errors are ValueErrors
        raise DataError(f"{path}: not a readable CSV: {error}; prepare it again") from error
    missing = [column for column in NEEDED[name] if column not in table.columns]
    if missing:
        raise DataError(f"{path} lacks the columns {', '.join(missing)}; prepare it again")
    if table.empty:
        raise DataError(f"{path} has no rows; prepare it again")
    return table


def _write_all(found: list[Section], html: str, out: Path) -> None:
    for section in found:
        for plot in section.plots:
            write_whole(out / "plots" / f"{plot.name}.png", plot.png)
            write_whole(out / "plots" / f"{plot.name}.svg", plot.svg.encode())
        for table in section.tables:
            text = table.rows.to_csv(index=False, lineterminator="\n")
            write_whole(out / "tables" / f"{table.name}.csv", text.encode())
    write_whole(out / "exploration.html", html.encode())
