"""The exploration's sections on the prepared data: which table and figure says what about them.

Every number in a sentence is computed from the tables; knows nothing about the notebook.
"""

import pandas as pd

from training.exploration import counts
from training.report import plots
from training.report.page import Section, Table, drawn
from training.report.plots import BLUE, ORANGE

_EXAMPLES = 10
_KEPT_DROPPED = {"Kept": BLUE, "Dropped": ORANGE}


def data_sections(notebook: pd.DataFrame, table: pd.DataFrame) -> list[Section]:
    """Return what the page shows of seed.csv and medquad.csv as they are."""
    return [
        _missing(notebook, table),
        _repeats(table),
        _lengths(table),
        _kinds(table),
        _flags(table),
    ]


def _missing(notebook: pd.DataFrame, table: pd.DataFrame) -> Section:
    counted = counts.missing(notebook, table)
    worst = counted.iloc[int(counted["Missing in seed.csv"].argmax())]
    shown = plots.parts(counted, {"Missing in seed.csv": ORANGE})
    return Section(
        "missing",
        "Missing values",
        "seed.csv is the notebook's table, six columns and nothing cleaned; medquad.csv has every "
        "document, with provenance. A value that is missing stays missing here; only a document's "
        "blank Focus is filled in where the document itself tells its subject.",
        [
            drawn(
                "missing",
                lambda: plots.bars("Missing values in seed.csv", counted["Column"].tolist(), shown),
                f"{worst['Column']} is missing most often, in {worst['Missing in seed.csv']:,} of "
                f"{len(notebook):,} rows ({worst['Share']:.1%}).",
            )
        ],
        [Table("missing", "Missing values by column", counted)],
    )


def _repeats(table: pd.DataFrame) -> Section:
    counted = counts.repeats(table)
    repeated = counted.set_index("Repeated")
    several = repeated.loc["the same question with different answers"]
    shared = repeated.loc["the same answer to different questions"]
    return Section(
        "duplicates",
        "Duplicates",
        "Texts are compared as published, character by character. Only a repeat of question and "
        "answer together is noise. One question with several answers is several documents on one "
        "subject; one answer to many questions is boilerplate. Either leaks when rows are split "
        "at random.",
        [
            drawn(
                "duplicates",
                lambda: plots.bars(
                    "Rows whose text stands elsewhere too",
                    counted["Repeated"].tolist(),
                    plots.parts(counted, {"Rows": BLUE}),
                ),
                f"{several['Distinct texts']:,} questions have several answers "
                f"({several['Rows']:,} rows), and {shared['Distinct texts']:,} answers stand under "
                f"several questions ({shared['Rows']:,} rows).",
            )
        ],
        [
            Table("duplicates", "Repeated texts", counted),
            Table(
                "repeated_questions",
                "Questions with the most answers",
                counts.repeated_questions(table, _EXAMPLES),
            ),
            Table(
                "repeated_answers",
                "Answers under the most questions",
                counts.repeated_answers(table, _EXAMPLES),
            ),
        ],
    )


def _lengths(table: pd.DataFrame) -> Section:
    spread = counts.lengths(table)
    of = spread.set_index("Words of")
    answers, cleaned = of.loc["Answer, as published"], of.loc["Answer, cleaned and kept"]
    questions = of.loc["Question, as published"]
    kept = table["Keep"] == "1"

    def both(column: str) -> dict[str, tuple[str, list[int]]]:
        return {
            "as published": (BLUE, counts.words(table[column]).tolist()),
            "cleaned and kept": (ORANGE, counts.words(table.loc[kept, f"{column}Clean"]).tolist()),
        }

    return Section(
        "lengths",
        "Lengths",
        "In words, parted by spaces; a GPT-2 token is a word or a part of one.",
        [
            drawn(
                "question_lengths",
                lambda: plots.histogram("Questions", "words", both("Question")),
                f"Half of the questions have at most {questions['Median']:,.0f} words, 95% at most "
                f"{questions['95%']:,.0f}.",
            ),
            drawn(
                "answer_lengths",
                lambda: plots.histogram("Answers", "words", both("Answer"), logarithmic=True),
                f"The median answer has {answers['Median']:,.0f} words, the longest "
                f"{answers['Most']:,.0f}; cleaning brings the median to {cleaned['Median']:,.0f}.",
            ),
        ],
        [Table("lengths", "Lengths in words", spread)],
    )


def _kinds(table: pd.DataFrame) -> Section:
    types, sources = counts.by(table, "QuestionType"), counts.by(table, "Source")
    crossed = counts.types_by_source(table)
    worst = types.iloc[int(types["Dropped share"].argmax())]
    first = sources.iloc[0]
    held = int((crossed.iloc[:, 1:] > 0).sum().sum())
    cells = crossed.iloc[:, 1:].size
    return Section(
        "types",
        "Question types and sources",
        "What a question asks for, and which institute's site its answer comes from, by "
        "MedQuAD's own labels.",
        [
            drawn(
                "question_types",
                lambda: plots.bars(
                    "Questions by type",
                    types["QuestionType"].tolist(),
                    plots.parts(types, _KEPT_DROPPED),
                ),
                f"“{types['QuestionType'][0]}” is the most frequent of {len(types):,} types; we "
                f"drop most from “{worst['QuestionType']}”, {worst['Dropped share']:.0%} of its "
                "questions.",
            ),
            drawn(
                "sources",
                lambda: plots.bars(
                    "Questions by source",
                    sources["Source"].tolist(),
                    plots.parts(sources, _KEPT_DROPPED),
                ),
                f"{first['Source']} gives the most questions, {first['Rows']:,} of {len(table):,}, "
                f"of which we keep {first['Kept']:,}.",
            ),
            drawn(
                "types_by_source",
                lambda: plots.heat_map(
                    "Questions by type and source",
                    crossed["QuestionType"].tolist(),
                    crossed.columns[1:].tolist(),
                    crossed.iloc[:, 1:].to_numpy().tolist(),
                ),
                f"{held:,} of {cells:,} combinations of type and source occur.",
            ),
        ],
        [
            Table("question_types", "Questions by type", types),
            Table("sources", "Questions by source", sources),
            Table("types_by_source", "Questions by type and source", crossed, folded=True),
        ],
    )


def _flags(table: pd.DataFrame) -> Section:
    counted = counts.flags(table)
    flagged = counted[counted["Flag"] != "none"]
    dropped = int(counted["Dropped"].sum())
    return Section(
        "flags",
        "What our cleaning drops, and why",
        "A row is flagged by what its published answer is; rows that teach nothing are dropped "
        "from training and from tests.",
        [
            drawn(
                "flags",
                lambda: plots.bars(
                    "Flagged rows", flagged["Why"].tolist(), plots.parts(flagged, _KEPT_DROPPED)
                ),
                f"{dropped:,} of {len(table):,} rows ({dropped / len(table):.1%}) are dropped.",
            )
        ],
        [Table("flags", "Rows by flag", counted)],
    )
