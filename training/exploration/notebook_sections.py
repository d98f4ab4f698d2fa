"""The exploration's sections on the seed's treatment: what it makes of the data, and what we do.

Every number in a sentence is computed from the tables.
"""

import pandas as pd

from training.data.splits import top_foci
from training.exploration import notebook_replay
from training.exploration.notebook_replay import Treatment
from training.report import plots
from training.report.page import Section, Table, drawn
from training.report.plots import BLUE, ORANGE, RED


def seed_sections(seed: pd.DataFrame, table: pd.DataFrame) -> list[Section]:
    """Return the top foci as the seed counted them, its treatment beside ours, and what leaks."""
    treatment = notebook_replay.replay(seed)
    present = set(treatment.rows["Focus"])
    top = [focus for focus in top_foci(table) if focus in present]
    return [
        _foci(treatment, table, top),
        _treatment(treatment, table, top),
        _leaks(treatment, table, top),
    ]


def _foci(treatment: Treatment, table: pd.DataFrame, top: list[str]) -> Section:
    counts = notebook_replay.foci(treatment, table, top)
    first, last = counts.iloc[0], counts.iloc[-1]
    all_counts = treatment.rows["Focus"].value_counts()
    tied = int((all_counts == last["Rows"]).sum())
    filled = int(counts["Filled in"].sum())
    return Section(
        "foci",
        f"The top {len(top)} Focus categories",
        f"Counted as the seed counted them, after its treatment: {len(all_counts):,} foci, of "
        f"which {int((all_counts == 1).sum()):,} have one row only. {tied:,} foci tie at "
        f"{last['Rows']:,} rows, the count of the last on the list; ties are broken as the "
        "seed's own run broke them. Names too long for the figure end in “…”; the table has them "
        "whole.",
        [
            drawn(
                "top_foci",
                lambda: plots.long_bars(
                    f"Questions of the top {len(top)} Focus categories",
                    counts["Focus"].tolist(),
                    {
                        "we keep": (BLUE, counts["Kept"].tolist()),
                        "we drop": (ORANGE, counts["Dropped"].tolist()),
                        "not theirs: blank Focus filled by the mode": (
                            RED,
                            counts["Filled in"].tolist(),
                        ),
                    },
                ),
                f"{first['Focus']} leads with {first['Rows']:,} rows, the last has "
                f"{last['Rows']:,}; {filled:,} of these rows had no Focus until the seed filled "
                "it in.",
            )
        ],
        [Table("top_foci", f"The top {len(top)} Focus categories", counts, folded=True)],
    )


def _treatment(treatment: Treatment, table: pd.DataFrame, top: list[str]) -> Section:
    fills = notebook_replay.fills(treatment, notebook_replay.seed_rows(table)["FocusFixed"])
    steps = notebook_replay.compared(treatment, table, top)
    seeds: dict[str, int] = dict(zip(steps["Step"], steps["Seed"], strict=True))
    wrong = fills.set_index("Column")["Known wrong"]
    return Section(
        "seed",
        "The seed's treatment beside ours",
        f"The seed fills missing values with the column's mode, then drops repeated questions and "
        f"answers: {seeds['rows read']:,} rows become "
        f"{seeds['rows left']:,}. What is wrong with that: a value filled in is a "
        f"value made up. {wrong['Focus'] or 0:,} rows go under “{treatment.modes['Focus']}” whose "
        f"documents are about something else; {wrong['Answer'] or 0:,} unanswered questions get "
        "another question's answer; and nothing is done about the "
        f"{seeds['of them, rows that our flags would drop']:,} rows left that have "
        "nothing to teach. Whether a mode is wrong in the other columns the data do not tell: "
        "there, see how many foci were given it.",
        [],
        [
            Table("seed_steps", "Rows, step by step", steps),
            Table("seed_fills", "What the seed fills in", fills),
        ],
    )


def _leaks(treatment: Treatment, table: pd.DataFrame, top: list[str]) -> Section:
    shares = notebook_replay.leaks(treatment, table, top)
    what, *splits = shares.columns.tolist()
    seeds = shares.set_index(what)[splits[0]]
    colours = dict(zip(splits, (RED, ORANGE, BLUE), strict=True))
    return Section(
        "leaks",
        "What validation shares with training",
        "The seed samples four rows of each Focus to train on and, independently, one to validate "
        "with; its shares are the exact expectation over all such samples. Ours are counted in "
        "the rows that we chose, which share a question only where a Focus has no other. "
        "Texts are compared as published.",
        [
            drawn(
                "leaks",
                lambda: plots.grouped_bars(
                    "Held-out rows that share something with training",
                    shares[what].tolist(),
                    {split: (colours[split], shares[split].tolist()) for split in splits},
                    "{:.1%}",
                ),
                f"{seeds['the whole row']:.1%} of the seed's validation rows are training rows "
                f"and {seeds['the question']:.1%} repeat a question trained on, so its validation "
                "loss measures memory too.",
            )
        ],
        [Table("leaks", "Shares of held-out rows", shares)],
    )
