"""The original notebook's own treatment of its CSV, replayed, and what it does to the data.

It filled every missing value with its column's mode, dropped rows whose question and answer came
before, took the hundred most frequent foci, and sampled from each four rows to train on and,
independently, one to validate with. What such samples share is computed exactly, not sampled.
"""

from collections import Counter
from collections.abc import Sequence
from math import comb
from typing import NamedTuple

import pandas as pd

from training.data.medquad import NOTEBOOK_COLUMNS
from training.data.splits import NOTEBOOK_TRAIN_PER_FOCUS
from training.exploration.counts import shortened

PAIR = ["Question", "Answer"]
_LEAKS = {  # what a validation row may share with training
    "the whole row": ["Focus", *PAIR],
    "the question": ["Question"],
    "the answer": ["Answer"],
}


class Treatment(NamedTuple):
    """What the notebook's treatment makes of seed.csv; every table's index is seed.csv's."""

    raw: pd.DataFrame
    filled: pd.DataFrame
    rows: pd.DataFrame  # after dropping repeated questions and answers
    modes: dict[str, str]


def replay(notebook: pd.DataFrame) -> Treatment:
    """Fill by mode and drop repeats, as the notebook did; of equal modes pandas takes the first."""
    present = notebook.where(notebook != "")
    modes = {
        column: str(next(iter(present[column].dropna().mode()), "")) for column in NOTEBOOK_COLUMNS
    }
    filled = present.fillna(modes)
    return Treatment(notebook, filled, filled.drop_duplicates(PAIR), modes)


def fills(treatment: Treatment, known_focus: "pd.Series[str]") -> pd.DataFrame:
    """Return what was put where nothing was.

    "Known wrong" counts the foci that are not their document's (`known_focus` has the index of
    seed.csv) and the answers that the data give to other questions only; whether a document has
    the other columns' modes nobody can tell, and there it is empty.
    """
    raw, modes = treatment.raw, treatment.modes
    blank = {column: raw[column] == "" for column in NOTEBOOK_COLUMNS}
    known = known_focus[blank["Focus"]]
    right = set(raw.loc[raw["Answer"] == modes["Answer"], "Question"])
    wrong = {
        "Focus": int(((known != "") & (known != modes["Focus"])).sum()),
        "Answer": int((~raw.loc[blank["Answer"], "Question"].isin(right)).sum()),
    }
    return pd.DataFrame(
        [
            (
                column,
                int(blank[column].sum()),
                shortened(modes[column]) if blank[column].any() else "",
                wrong.get(column, "") if blank[column].any() else "",
            )
            for column in NOTEBOOK_COLUMNS
        ],
        columns=["Column", "Filled in", "With the mode", "Known wrong"],
        dtype=object,
    )


def compared(treatment: Treatment, table: pd.DataFrame) -> pd.DataFrame:
    """Return the notebook's counts beside ours, step by step.

    `table` is medquad.csv; the notebook's rows are matched with ours by `notebook_rows`.
    """
    ours = notebook_rows(table)
    kept = table["Keep"] == "1"
    left = ours.loc[treatment.rows.index]
    touched = int((treatment.raw[NOTEBOOK_COLUMNS] == "").any(axis=1).sum())
    known = (ours["Focus"] == "") & (ours["FocusFixed"] != "")
    wrong = int((known & (ours["FocusFixed"] != treatment.filled["Focus"])).sum())
    steps = [
        ("rows read", len(treatment.raw), len(table)),
        ("rows with a value filled in by the mode", touched, 0),
        ("rows under a Focus known not to be theirs", wrong, 0),
        ("rows dropped", len(treatment.raw) - len(treatment.rows), int((~kept).sum())),
        ("rows left", len(treatment.rows), int(kept.sum())),
        ("of them, rows that our flags would drop", int((left["Keep"] == "0").sum()), 0),
    ]
    return pd.DataFrame(steps, columns=["Step", "Notebook", "Ours"], dtype=object)


def notebook_rows(table: pd.DataFrame) -> pd.DataFrame:
    """Return medquad.csv's rows that seed.csv has, with its index."""
    return table[table["LowerCaseSchema"] == ""].reset_index(drop=True)


def foci(treatment: Treatment, table: pd.DataFrame, top: Sequence[str]) -> pd.DataFrame:
    """Return the top foci with the rows that the notebook counts: kept by us, dropped, filled."""
    ours = notebook_rows(table).loc[treatment.rows.index]
    filled = ours["Focus"] == ""
    dropped = ~filled & (ours["Keep"] == "0")
    counts = (
        pd.DataFrame({"Kept": ~filled & ~dropped, "Dropped": dropped, "Filled in": filled})
        .groupby(treatment.rows["Focus"])
        .sum()
        .reindex(list(top))
    )
    counts.insert(0, "Rows", counts.sum(axis=1))
    counts = counts.rename_axis("Focus").reset_index()
    counts.insert(0, "Rank", range(1, len(counts) + 1))
    return counts


def leaks(treatment: Treatment, table: pd.DataFrame, top: Sequence[str]) -> pd.DataFrame:
    """Return the shares of validation rows that share something with training, for both."""
    ours = {
        "Our 400/100: share": (table["SeedRow"] == "train", table["SeedRow"] == "valid"),
        "Our train/test_unseen: share": (
            table["Split"] == "train",
            table["Split"] == "test_unseen",
        ),
    }
    return pd.DataFrame(
        [
            {
                "Held-out rows that share with training": name,
                "Notebook's 400/100: expected share": expected_leak(treatment.rows, columns, top),
            }
            | {
                split: _shared(table[train], table[held_out], columns)
                for split, (train, held_out) in ours.items()
            }
            for name, columns in _LEAKS.items()
        ]
    )


def expected_leak(rows: pd.DataFrame, columns: list[str], top: Sequence[str]) -> float:
    """Return the expected share of validation rows whose `columns` stand in a training row.

    Each Focus gives four training rows without replacement and, independently, one for
    validation: a key that k of its n rows have is missed with chance C(n - k, 4) / C(n, 4).
    """
    chosen = rows[rows["Focus"].isin(top)]
    keys = list(chosen[columns].itertuples(index=False, name=None))
    sizes = chosen["Focus"].value_counts().to_dict()
    held = Counter(zip(chosen["Focus"], keys, strict=True))
    missed: dict[tuple[str, ...], float] = {}
    for (focus, key), count in held.items():
        size = sizes[focus]
        drawn = min(NOTEBOOK_TRAIN_PER_FOCUS, size)
        missed[key] = missed.get(key, 1.0) * comb(size - count, drawn) / comb(size, drawn)
    found = [count / sizes[focus] * (1 - missed[key]) for (focus, key), count in held.items()]
    return sum(found) / len(sizes) if sizes else 0.0


def _shared(train: pd.DataFrame, held_out: pd.DataFrame, columns: list[str]) -> float:
    trained = set(train[columns].itertuples(index=False, name=None))
    rows = list(held_out[columns].itertuples(index=False, name=None))
    return sum(row in trained for row in rows) / len(rows) if rows else 0.0
