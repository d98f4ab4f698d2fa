"""The exploration's sections: which table and which figure says what about the data.

Every number in a sentence is computed from the tables; knows nothing about files and HTML.
"""

from collections.abc import Callable

import pandas as pd
from matplotlib.figure import Figure

from training import census, plots, seed_treatment
from training.exploration_page import Plot, Section, Table
from training.plots import BLUE, ORANGE, RED
from training.splits import top_foci

_EXAMPLES = 10
_ANSWER_EDGES = [1, 2, 4, 6, 9, 13, 19, 28, 41, 60, 88, 129, 189, 277, 407, 597, 875, 1283, 1881]
_ANSWER_EDGES += [2758, 4044, 5929, 8693]


def sections(seed: pd.DataFrame, table: pd.DataFrame) -> list[Section]:
    """Return everything that the page shows of seed.csv and medquad.csv."""
    treatment = seed_treatment.replay(seed)
    top = top_foci(table)
    return [
        _missing(seed, table),
        _repeats(table),
        _lengths(table),
        _kinds(table),
        _foci(treatment, table, top),
        _flags(table),
        _treatment(treatment, table, top),
        _leaks(treatment, table, top),
    ]


def _missing(seed: pd.DataFrame, table: pd.DataFrame) -> Section:
    counts = census.missing(seed, table)
    worst = counts.loc[counts["Missing in seed.csv"].idxmax()]
    shown = plots_of(counts, Missing=("Missing in seed.csv", ORANGE))
    return Section(
        "missing",
        "Missing values",
        "seed.csv is the seed's table, six columns and nothing cleaned; medquad.csv has every "
        "document, with provenance. A value that is missing stays missing here; only a document's "
        "blank Focus is filled in where the document itself tells its subject.",
        [
            _plot(
                "missing",
                lambda: plots.bars("Missing values in seed.csv", counts["Column"].tolist(), shown),
                f"{worst['Column']} is missing most often, in {worst['Missing in seed.csv']:,} of "
                f"{len(seed):,} rows ({worst['Share']:.1%}).",
            )
        ],
        [Table("missing", "Missing values by column", counts)],
    )


def _repeats(table: pd.DataFrame) -> Section:
    counts = census.repeats(table)
    repeated = counts.set_index("Repeated")
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
            _plot(
                "duplicates",
                lambda: plots.bars(
                    "Rows whose text stands elsewhere too",
                    counts["Repeated"].tolist(),
                    plots_of(counts, Rows=("Rows", BLUE)),
                ),
                f"{several['Distinct texts']:,} questions have several answers "
                f"({several['Rows']:,} rows), and {shared['Distinct texts']:,} answers stand under "
                f"several questions ({shared['Rows']:,} rows).",
            )
        ],
        [
            Table("duplicates", "Repeated texts", counts),
            Table(
                "repeated_questions",
                "Questions with the most answers",
                census.repeated_questions(table, _EXAMPLES),
            ),
            Table(
                "repeated_answers",
                "Answers under the most questions",
                census.repeated_answers(table, _EXAMPLES),
            ),
        ],
    )


def _lengths(table: pd.DataFrame) -> Section:
    spread = census.lengths(table)
    of = spread.set_index("Words of")
    answers, cleaned = of.loc["Answer, as published"], of.loc["Answer, cleaned and kept"]
    questions = of.loc["Question, as published"]
    kept = table["Keep"] == "1"

    def both(column: str) -> dict[str, tuple[str, list[int]]]:
        return {
            "as published": (BLUE, census.words(table[column]).tolist()),
            "cleaned and kept": (ORANGE, census.words(table.loc[kept, f"{column}Clean"]).tolist()),
        }

    edges = [edge + 0.5 for edge in range(max(int(questions["Most"]), 1) + 1)]
    edges.insert(0, -0.5)
    return Section(
        "lengths",
        "Lengths",
        "In words, parted by spaces; GPT-2 makes about four tokens of three English words, and its "
        "context holds 1,024 tokens.",
        [
            _plot(
                "question_lengths",
                lambda: plots.histogram("Questions", "words", both("Question"), edges),
                f"Half of the questions have at most {questions['Median']:,} words, 95% at most "
                f"{questions['95%']:,}: they are templates around a name.",
            ),
            _plot(
                "answer_lengths",
                lambda: plots.histogram(
                    "Answers", "words, logarithmic", both("Answer"), list(_ANSWER_EDGES)
                ),
                f"The median answer has {answers['Median']:,} words, the longest "
                f"{answers['Most']:,}; cleaning brings the median to {cleaned['Median']:,}.",
            ),
        ],
        [Table("lengths", "Lengths in words", spread)],
    )


def _kinds(table: pd.DataFrame) -> Section:
    types, sources = census.by(table, "QuestionType"), census.by(table, "Source")
    crossed = census.types_by_source(table)
    worst = types.loc[types["Dropped share"].idxmax()]
    first = sources.iloc[0]
    held = int((crossed.iloc[:, 1:] > 0).sum().sum())
    cells = crossed.iloc[:, 1:].size
    return Section(
        "types",
        "Question types and sources",
        "What a question asks for, and which institute's site its answer comes from, by "
        "MedQuAD's own labels.",
        [
            _plot(
                "question_types",
                lambda: plots.bars(
                    "Questions by type", types["QuestionType"].tolist(), _kept_dropped(types)
                ),
                f"“{types['QuestionType'][0]}” is the most frequent of {len(types):,} types; we "
                f"drop most from “{worst['QuestionType']}”, {worst['Dropped share']:.0%} of its "
                "questions.",
            ),
            _plot(
                "sources",
                lambda: plots.bars(
                    "Questions by source", sources["Source"].tolist(), _kept_dropped(sources)
                ),
                f"{first['Source']} gives the most questions, {first['Rows']:,} of {len(table):,}, "
                f"of which we keep {first['Kept']:,}.",
            ),
            _plot(
                "types_by_source",
                lambda: plots.heat_map(
                    "Questions by type and source",
                    crossed["QuestionType"].tolist(),
                    crossed.columns[1:].tolist(),
                    crossed.iloc[:, 1:].to_numpy().tolist(),
                ),
                f"Only {held:,} of {cells:,} combinations exist: the type of a question says much "
                "about where its answer comes from.",
            ),
        ],
        [
            Table("question_types", "Questions by type", types),
            Table("sources", "Questions by source", sources),
            Table("types_by_source", "Questions by type and source", crossed, folded=True),
        ],
    )


def _foci(
    treatment: seed_treatment.Treatment, table: pd.DataFrame, top: list[str]
) -> Section:
    counts = seed_treatment.foci(treatment, table, top)
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
        "seed's own run broke them.",
        [
            _plot(
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


def _flags(table: pd.DataFrame) -> Section:
    counts = census.flags(table)
    flagged = counts[counts["Flag"] != "none"]
    dropped = int(counts["Dropped"].sum())
    return Section(
        "flags",
        "What our cleaning drops, and why",
        "A row is flagged by what its published answer is; rows that teach nothing are dropped "
        "from training and from tests.",
        [
            _plot(
                "flags",
                lambda: plots.bars(
                    "Flagged rows", flagged["Why"].tolist(), _kept_dropped(flagged)
                ),
                f"{dropped:,} of {len(table):,} rows ({dropped / len(table):.1%}) are dropped.",
            )
        ],
        [Table("flags", "Rows by flag", counts)],
    )


def _treatment(
    treatment: seed_treatment.Treatment, table: pd.DataFrame, top: list[str]
) -> Section:
    fills = seed_treatment.fills(treatment, seed_treatment.seed_rows(table)["FocusFixed"])
    steps = seed_treatment.compared(treatment, table, top)
    by_step = steps.set_index("Step")
    return Section(
        "seed",
        "The seed's treatment beside ours",
        f"The seed fills missing values with the column's mode, then drops repeated questions and "
        f"answers: {by_step.loc['rows read', 'Seed']:,} rows become "
        f"{by_step.loc['rows left', 'Seed']:,}. What is wrong with that: a value filled in is a "
        f"value made up, and {by_step.loc['rows under a Focus known not to be theirs', 'Seed']:,} "
        f"rows go under “{treatment.modes['Focus']}” that are about something else; an unanswered "
        "question gets another question's answer; and nothing is done about the "
        f"{by_step.loc['of them, rows that our flags would drop', 'Seed']:,} rows left that have "
        "nothing to teach.",
        [],
        [
            Table("seed_steps", "Rows, step by step", steps),
            Table("seed_fills", "What the seed fills in", fills),
        ],
    )


def _leaks(
    treatment: seed_treatment.Treatment, table: pd.DataFrame, top: list[str]
) -> Section:
    shares = seed_treatment.leaks(treatment, table, top)
    what, *splits = shares.columns.tolist()
    seeds = shares.set_index(what)[splits[0]]
    colours = dict(zip(splits, (RED, ORANGE, BLUE), strict=True))
    return Section(
        "leaks",
        "What validation shares with training",
        "The seed samples four rows of each Focus to train on and, independently, one to validate "
        "with; its shares are the exact expectation over all such samples. Ours are counted in "
        "the rows that `prepare` chose. Texts are compared as published.",
        [
            _plot(
                "leaks",
                lambda: plots.grouped_bars(
                    "Held-out rows that share something with training",
                    shares[what].tolist(),
                    {split: (colours[split], shares[split].tolist()) for split in splits},
                    "{:.1%}",
                ),
                f"{seeds['the whole row']:.1%} of the seed's validation rows are training rows "
                f"and {seeds['the question']:.1%} repeat a question trained on, so its validation "
                "loss measures memory.",
            )
        ],
        [Table("leaks", "Shares of held-out rows", shares.rename(columns=lambda name: name))],
    )


def plots_of(counts: pd.DataFrame, **parts: tuple[str, str]) -> plots.Parts:
    """Return columns of a table, with their colours, as the parts of bars."""
    return {part: (colour, counts[column].tolist()) for part, (column, colour) in parts.items()}


def _kept_dropped(counts: pd.DataFrame) -> plots.Parts:
    return plots_of(counts, Kept=("Kept", BLUE), Dropped=("Dropped", ORANGE))


def _plot(name: str, draw: Callable[[], Figure], says: str) -> Plot:
    return Plot(name, *plots.render(draw, name), says)
