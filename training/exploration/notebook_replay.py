"""The seed notebook's own treatment of its CSV, replayed, and what it does to the data.

It filled every missing value with its column's mode, dropped rows whose question and answer came
before, took the hundred most frequent foci, and sampled from each four rows to train on and,
independently, one to validate with. What such samples share is computed exactly, not sampled.
"""

from collections import Counter
from collections.abc import Sequence
from math import comb
from typing import NamedTuple

import pandas as pd

from training.data.medquad import SEED_COLUMNS
from training.data.splits import SEED_TRAIN_PER_FOCUS
from training.exploration.counts import shortened

PAIR = ["Question", "Answer"]
_LEAKS = {  # what a validation row may share with training
    "the whole row": ["Focus", *PAIR],
    "the question": ["Question"],
    "the answer": ["Answer"],
}


class Treatment(NamedTuple):
    """What the seed's treatment makes of seed.csv; every table's index is seed.csv's."""

    raw: pd.DataFrame
    filled: pd.DataFrame
    rows: pd.DataFrame  # after dropping repeated questions and answers
    modes: dict[str, str]


def replay(seed: pd.DataFrame) -> Treatment:
    """Fill by mode and drop repeats, as the seed did; of equal modes pandas takes the first."""
    present = seed.where(seed != "")
    modes = {
        column: str(next(iter(present[column].dropna().mode()), "")) for column in SEED_COLUMNS
    }
    filled = present.fillna(modes)
    return Treatment(seed, filled, filled.drop_duplicates(PAIR), modes)


def fills(treatment: Treatment, known_focus: "pd.Series[str]") -> pd.DataFrame:
    """Return what was put where nothing was.

    "Known wrong" counts the foci that are not their document's (`known_focus` has the index of
    seed.csv) and the answers that the data give to other questions only; whether a document has
    the other columns' modes nobody can tell, and there it is empty.
    """
    raw, modes = treatment.raw, treatment.modes
    blank = {column: raw[column] == "" for column in SEED_COLUMNS}
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
                int((raw[column] == modes[column]).sum()) if blank[column].any() else "",
                int(raw.loc[blank[column], "Focus"].replace("", pd.NA).nunique()),
                wrong.get(column, "") if blank[column].any() else "",
            )
            for column in SEED_COLUMNS
        ],
        columns=[
            "Column",
            "Filled in",
            "With the mode",
            "Rows that had it",
            "Foci given it",
            "Known wrong",
        ],
        dtype=object,
    )


def compared(treatment: Treatment, table: pd.DataFrame, top: Sequence[str]) -> pd.DataFrame:
    """Return the seed's counts beside ours, step by step.

    `table` is medquad.csv; the seed's rows are matched with ours by `seed_rows`.
    """
    ours = seed_rows(table)
    kept = table["Keep"] == "1"
    left = ours.loc[treatment.rows.index]
    touched = int((treatment.raw[SEED_COLUMNS] == "").any(axis=1).sum())
    known = (ours["Focus"] == "") & (ours["FocusFixed"] != "")
    wrong = int((known & (ours["FocusFixed"] != treatment.filled["Focus"])).sum())
    repeats = int(table.duplicated(PAIR).sum())
    junk = expected_share(treatment.rows, left["Keep"] == "0", top)
    trained = sum(min(SEED_TRAIN_PER_FOCUS, rows) for rows in _sizes(treatment.rows, top))
    seeds = table[table["SeedRow"] == "train"]
    steps = [
        ("rows read", len(treatment.raw), len(table)),
        ("rows with a value filled in by the mode", touched, 0),
        (
            "rows whose blank Focus was filled in from their document",
            0,
            int(((table["Focus"] == "") & (table["FocusFixed"] != "")).sum()),
        ),
        ("rows under a Focus known not to be theirs", wrong, 0),
        (
            "rows dropped: their question and answer came before",
            len(treatment.raw) - len(treatment.rows),
            int((~kept & table.duplicated(PAIR)).sum()),
        ),
        ("rows dropped for another reason", 0, int((~kept).sum()) - repeats),
        ("rows left", len(treatment.rows), int(kept.sum())),
        ("of them, rows that our flags would drop", int((left["Keep"] == "0").sum()), 0),
        (f"rows sampled to train on, {SEED_TRAIN_PER_FOCUS} a Focus", trained, len(seeds)),
        (
            "of them, rows that our flags would drop (the seed's: expected)",
            round(junk * trained, 1),
            int((seeds["Keep"] == "0").sum()),
        ),
    ]
    return pd.DataFrame(steps, columns=["Step", "Seed", "Ours"], dtype=object)


def seed_rows(table: pd.DataFrame) -> pd.DataFrame:
    """Return medquad.csv's rows that seed.csv has, with its index."""
    return table[table["LowerCaseSchema"] == ""].reset_index(drop=True)


def foci(treatment: Treatment, table: pd.DataFrame, top: Sequence[str]) -> pd.DataFrame:
    """Return the top foci with the rows that the seed counts: those we keep, drop, were filled."""
    ours = seed_rows(table).loc[treatment.rows.index]
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
    """Return the shares of validation rows that share something with training, seed's and ours."""
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
                "Seed's 400/100: expected share": expected_leak(treatment.rows, columns, top),
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
        drawn = min(SEED_TRAIN_PER_FOCUS, size)
        missed[key] = missed.get(key, 1.0) * comb(size - count, drawn) / comb(size, drawn)
    found = [count / sizes[focus] * (1 - missed[key]) for (focus, key), count in held.items()]
    return sum(found) / len(sizes) if sizes else 0.0


def expected_share(rows: pd.DataFrame, marked: "pd.Series[bool]", top: Sequence[str]) -> float:
    """Return the expected share of marked rows among those that the seed samples."""
    shares = marked.groupby(rows["Focus"]).mean().reindex(list(top))
    drawn = pd.Series(_sizes(rows, top), index=shares.index).clip(upper=SEED_TRAIN_PER_FOCUS)
    return float((shares * drawn).sum() / drawn.sum()) if len(drawn) else 0.0


def _sizes(rows: pd.DataFrame, top: Sequence[str]) -> list[int]:
    counts = rows["Focus"].value_counts()
    return [int(counts[focus]) for focus in top]


def _shared(train: pd.DataFrame, held_out: pd.DataFrame, columns: list[str]) -> float:
    trained = set(train[columns].itertuples(index=False, name=None))
    rows = list(held_out[columns].itertuples(index=False, name=None))
    return sum(row in trained for row in rows) / len(rows) if rows else 0.0
