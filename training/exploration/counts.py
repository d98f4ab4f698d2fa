"""What the prepared table holds, counted: gaps, repeats, lengths, types, sources, flags.

Every function takes tables as `prepare` writes them ("" for what is missing) and returns a table
to print. Knows nothing about the notebook's treatment, figures or pages.
"""

import pandas as pd

from training.data.cleaning import WHY
from training.data.medquad import NOTEBOOK_COLUMNS

NOT_GIVEN = "(not given)"
_LENGTHS = {
    "Question": "QuestionClean",
    "Answer": "AnswerClean",
}
_SHOWN_CHARACTERS = 160


def missing(notebook: pd.DataFrame, table: pd.DataFrame) -> pd.DataFrame:
    """Count each column's missing values: in seed.csv, in all rows, in the rows that we keep."""
    kept = table[table["Keep"] == "1"].assign(Focus=lambda rows: rows["FocusFixed"])
    blank = (notebook[NOTEBOOK_COLUMNS] == "").sum()
    return pd.DataFrame(
        {
            "Column": NOTEBOOK_COLUMNS,
            "Missing in seed.csv": blank.to_list(),
            "Share": (blank / len(notebook)).to_list(),
            "Missing in medquad.csv": (table[NOTEBOOK_COLUMNS] == "").sum().to_list(),
            "Missing in rows kept": (kept[NOTEBOOK_COLUMNS] == "").sum().to_list(),
        }
    )


def repeats(table: pd.DataFrame) -> pd.DataFrame:
    """Count three kinds of repeats among answered rows: how many texts, over how many rows."""
    answered = table[table["Answer"] != ""]
    pair = answered.groupby(["Question", "Answer"])["Answer"].transform("size")
    answers = answered.groupby("Question")["Answer"].transform("nunique")
    questions = answered.groupby("Answer")["Question"].transform("nunique")
    kinds = {
        "the same question with the same answer": (pair > 1, ["Question", "Answer"]),
        "the same question with different answers": (answers > 1, ["Question"]),
        "the same answer to different questions": (questions > 1, ["Answer"]),
    }
    return pd.DataFrame(
        [
            (kind, len(answered[found].drop_duplicates(columns)), int(found.sum()))
            for kind, (found, columns) in kinds.items()
        ],
        columns=["Repeated", "Distinct texts", "Rows"],
    )


def repeated_questions(table: pd.DataFrame, most: int) -> pd.DataFrame:
    """Return the questions with the most different answers."""
    return _repeated(table, "Question", {"Different answers": "Answer"}, most)


def repeated_answers(table: pd.DataFrame, most: int) -> pd.DataFrame:
    """Return the answers that stand under the most different questions, and under how many foci."""
    counted = {"Different questions": "Question", "Foci": "FocusFixed"}
    return _repeated(table, "Answer", counted, most)


def lengths(table: pd.DataFrame) -> pd.DataFrame:
    """Return the spread of lengths in words: as published, and cleaned in the rows that we keep."""
    spread = {}
    for raw, cleaned in _LENGTHS.items():
        spread[f"{raw}, as published"] = words(table[raw])
        spread[f"{raw}, cleaned and kept"] = words(table.loc[table["Keep"] == "1", cleaned])
    return pd.DataFrame(
        [
            (
                name,
                len(counts),
                *(int(counts.quantile(part, "lower")) for part in (0, 0.05, 0.5, 0.95, 1)),
                float(counts.mean()),
            )
            for name, counts in spread.items()
        ],
        columns=["Words of", "Rows", "Fewest", "5%", "Median", "95%", "Most", "Mean"],
    )


def words(texts: "pd.Series[str]") -> "pd.Series[int]":
    """Count the words of non-empty texts, parted by spaces."""
    return texts[texts != ""].map(lambda text: len(text.split())).astype(int)


def by(table: pd.DataFrame, column: str) -> pd.DataFrame:
    """Count the rows of each value of a column, most first, and what we keep of them."""
    values = table[column].replace("", NOT_GIVEN)
    kept = table["Keep"] == "1"
    counts = pd.DataFrame({"Rows": 1, "Kept": kept.astype(int), "Dropped": (~kept).astype(int)})
    sums = counts.groupby(values).sum().reset_index(names=column)
    ranked = sums.sort_values(["Rows", column], ascending=[False, True], ignore_index=True)
    return ranked.assign(**{"Dropped share": ranked["Dropped"] / ranked["Rows"]})


def types_by_source(table: pd.DataFrame) -> pd.DataFrame:
    """Count the rows of each question type (down) in each source (across), most first."""
    types = by(table, "QuestionType")["QuestionType"].to_list()
    sources = by(table, "Source")["Source"].to_list()
    filled = table[["QuestionType", "Source"]].replace("", NOT_GIVEN)
    counts = pd.crosstab(filled["QuestionType"], filled["Source"])
    return counts.reindex(index=types, columns=sources).rename_axis(columns=None).reset_index()


def flags(table: pd.DataFrame) -> pd.DataFrame:
    """Count the rows of each flag, whether we keep them, and why."""
    grouped = table.groupby("Flags", as_index=False).agg(
        Rows=("Keep", "size"), Kept=("Keep", lambda keep: int((keep == "1").sum()))
    )
    ranked = grouped.sort_values(["Rows", "Flags"], ascending=[False, True], ignore_index=True)
    why = ["; ".join(WHY.get(flag, flag) for flag in flags.split("|")) for flags in ranked["Flags"]]
    return pd.DataFrame(
        {
            "Flag": ranked["Flags"].replace("", "none"),
            "Rows": ranked["Rows"],
            "Kept": ranked["Kept"],
            "Dropped": ranked["Rows"] - ranked["Kept"],
            "Why": why,
        }
    )


def shortened(text: str, characters: int = _SHOWN_CHARACTERS) -> str:
    """Return a text's beginning."""
    return text if len(text) <= characters else f"{text[: characters - 1].rstrip()}…"


def _repeated(table: pd.DataFrame, column: str, counted: dict[str, str], most: int) -> pd.DataFrame:
    answered = table[table["Answer"] != ""]
    counts = answered.groupby(column, as_index=False).agg(
        **{name: (of, "nunique") for name, of in counted.items()}, Rows=(column, "size")
    )
    first = next(iter(counted))
    ranked = counts[counts[first] > 1].sort_values([first, column], ascending=[False, True])
    return ranked.head(most).assign(**{column: ranked[column].map(shortened)})
