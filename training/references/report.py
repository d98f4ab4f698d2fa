"""One page on the references: how they rank, and examples to disagree with.

Every number and sentence is made from what `evaluate-references` measured and was answered; knows
nothing about how.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from training.report.page import Column, Sample, Section, Table, page
from training.report.tables import SPLITS

_RANKING = {
    "avg_score": ("avgScore", "Mean score of the first reference, 0-3 as judged."),
    "ndcg_10": (
        "nDCG@10",
        "Normalised discounted cumulative gain of the first ten, gain 2^score - 1.",
    ),
    "map_10": ("MAP@10", "Mean average precision of the first ten; relevant: a score of 2 or 3."),
    "mrr_10": ("MRR@10", "Mean reciprocal rank of the first relevant one."),
}
_MARKS = {
    "stands_in": "stand there",
    "contradicts": "contradict them",
    "not_found": "not found",
    "unchecked": "unchecked",
}
_DOUBTFUL = ("contradicts", "not_found")
_LINK_ONLY = "(Its licence allows a link only.)"

Figures = Mapping[str, Any]


def references_report(figures: Figures, examples: Sequence[Mapping[str, Any]]) -> str:
    """Return the page's HTML.

    Args:
        figures: what `evaluate_references.evaluate` returned.
        examples: questions with their `split` and the service's whole `reply` to each.
    """
    index = figures["index"]
    sections = [
        _ranking(figures["judged"]) if "judged" in figures else None,
        _examples(examples),
        _red_flags(figures),
        _times(figures),
    ]
    return page(
        "References and red flags",
        f"Published answers found beside the answers of {figures['model']}, among "
        f"{index['questions']:,} questions of MedQuAD, {index['answered']:,} of them with a text. "
        f"{index['excluded']:,} more were left out, so that no test question finds its own answer.",
        [section for section in sections if section],
        f"Made by python -m training evaluate-references; MedQuAD's digest {index['digest']}. "
        "Data and excerpts: MedQuAD (Ben Abacha & Demner-Fushman 2019), CC BY 4.0; where a licence "
        "took the text out, only its link is shown.",
    )


def _ranking(judged: Figures) -> Section:
    rows = [
        (title, says, f"{judged[name]['mean']:.3f}", _interval(judged[name]))
        for name, (title, says) in _RANKING.items()
    ]
    return Section(
        "ranking",
        "Ranking",
        f"{judged['questions']} consumers' messages, asked as they were sent, with published "
        "answers that people judged. What was not judged counts as 0.",
        [],
        [
            Table(
                "ranking", "By the judgments", _table(rows, "Measure", "What it is", "Mean", "95%")
            )
        ],
    )


def _interval(found: Figures) -> str:
    return f"{found['low']:.3f}…{found['high']:.3f}"


def _examples(examples: Sequence[Mapping[str, Any]]) -> Section:
    return Section(
        "examples",
        f"{len(examples)} examples to disagree with",
        "Test questions chosen by a hash of their text, from topics that training never saw and "
        "from known ones, with what the model wrote. Dotted: sentences that the references beside "
        "them contradict, or that were not found there; of those only the beginning is shown, more "
        "is looked at. A sentence without dots may be false, and one with dots true: judge.",
        [],
        [],
        [_example(example) for example in examples],
    )


def _example(example: Mapping[str, Any]) -> Sample:
    reply = example["reply"]
    sentences = reply["sentences"]
    doubtful = [(each["start"], each["end"]) for each in sentences if each["mark"] in _DOUBTFUL]
    counts = Counter(each["mark"] for each in sentences)
    note = ", ".join(f"{counts[mark]} {says}" for mark, says in _MARKS.items() if counts[mark])
    answer = Column("Generated", note, reply["answer"], doubtful)
    found = [
        Column(
            reference["question"],
            f"{reference['source']}, {reference['licence']}",
            reference["excerpt"] or _LINK_ONLY,
            url=reference["url"],
        )
        for reference in reply.get("references") or ()
    ]
    return Sample(example["question"], SPLITS[example["split"]], [answer, *found])


def _red_flags(figures: Figures) -> Section:
    rows = [("MedQuAD's questions, no emergencies", figures["red_flags"])]
    for name, found in figures.get("messages", {}).items():
        rows += [(f"{name}: emergencies", found["emergencies"])] if found["emergencies"] else []
        rows += [(f"{name}: harmless", found["harmless"])] if found["harmless"] else []
    table = _table(
        [(title, each["questions"], each["flagged"], each["rate"]) for title, each in rows],
        "Messages", "Asked", "With a notice", "Share",
    )  # fmt: skip
    return Section(
        "red-flags",
        "Red flags",
        "Which messages get a notice. No notice does not mean no emergency.",
        [],
        [Table("red-flags", "Notices", table)],
    )


def _times(figures: Figures) -> Section:
    times = figures["milliseconds"]
    row = [f"{times[name]:.1f}" for name in ("p50", "p95", "p99", "max")]
    return Section(
        "times",
        "Time",
        f"{times['searches']:,} random questions, one after the other, HTTP included.",
        [],
        [Table("times", "Milliseconds a search", _table([row], "Median", "95%", "99%", "Longest"))],
    )


def _table(rows: Sequence[Sequence[Any]], *columns: str) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=list(columns), dtype=object)
