"""The exploration's sections on the original notebook: what it makes of the data, and what we do.

Every number in a sentence is computed from the tables.
"""

import pandas as pd

from training.data.splits import top_foci
from training.exploration import notebook_replay
from training.exploration.notebook_replay import Treatment
from training.report import plots
from training.report.page import Section, Table, drawn
from training.report.plots import BLUE, ORANGE, RED


def notebook_sections(notebook: pd.DataFrame, table: pd.DataFrame) -> list[Section]:
    """Return the top foci as the notebook counted, its treatment beside ours, and what leaks."""
    treatment = notebook_replay.replay(notebook)
    present = set(treatment.rows["Focus"])
    top = [focus for focus in top_foci(table) if focus in present]
    return [
        _foci(treatment, table, top),
        _treatment(treatment, table),
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
        f"Counted as the notebook counted them, after its treatment: {len(all_counts):,} foci, of "
        f"which {int((all_counts == 1).sum()):,} have one row only. {tied:,} foci tie at "
        f"{last['Rows']:,} rows, the count of the last on the list; ties are broken as the "
        "notebook's own run broke them. Names too long for the figure end in “…”; the "
        "table has them whole.",
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
                f"{last['Rows']:,}; {filled:,} of these rows had no Focus until the notebook "
                "filled it in.",
            )
        ],
        [Table("top_foci", f"The top {len(top)} Focus categories", counts, folded=True)],
    )


def _treatment(treatment: Treatment, table: pd.DataFrame) -> Section:
    fills = notebook_replay.fills(treatment, notebook_replay.notebook_rows(table)["FocusFixed"])
    steps = notebook_replay.compared(treatment, table)
    counted: dict[str, int] = dict(zip(steps["Step"], steps["Notebook"], strict=True))
    wrong = fills.set_index("Column")["Known wrong"]
    return Section(
        "notebook",
        "The notebook's treatment beside ours",
        f"The notebook fills missing values with the column's mode, then drops repeated questions "
        f"and answers: {counted['rows read']:,} rows become "
        f"{counted['rows left']:,}. What is wrong with that: a value filled in is a "
        f"value made up. {wrong['Focus'] or 0:,} rows go under “{treatment.modes['Focus']}” whose "
        f"documents are about something else; {wrong['Answer'] or 0:,} unanswered questions get "
        "another question's answer; and nothing is done about the "
        f"{counted['of them, rows that our flags would drop']:,} rows left that have "
        "nothing to teach. Whether a mode is wrong in the other columns the data do not tell.",
        [],
        [
            Table("notebook_steps", "Rows, step by step", steps),
            Table("notebook_fills", "What the notebook fills in", fills),
        ],
    )


def _leaks(treatment: Treatment, table: pd.DataFrame, top: list[str]) -> Section:
    shares = notebook_replay.leaks(treatment, table, top)
    what, *splits = shares.columns.tolist()
    counted = shares.set_index(what)[splits[0]]
    colours = dict(zip(splits, (RED, ORANGE, BLUE), strict=True))
    return Section(
        "leaks",
        "What validation shares with training",
        "The notebook samples four rows of each Focus to train on and, independently, one to "
        "validate with; its shares are the exact expectation over all such samples. Ours are "
        "counted in the rows that we chose, which share a question only where a Focus has no "
        "other. Texts are compared as published.",
        [
            drawn(
                "leaks",
                lambda: plots.grouped_bars(
                    "Held-out rows that share something with training",
                    shares[what].tolist(),
                    {split: (colours[split], shares[split].tolist()) for split in splits},
                    "{:.1%}",
                ),
                f"{counted['the whole row']:.1%} of the notebook's validation rows are training "
                f"rows and {counted['the question']:.1%} repeat a question trained on, so its "
                "validation loss measures memory too.",
            )
        ],
        [Table("leaks", "Shares of held-out rows", shares)],
    )
