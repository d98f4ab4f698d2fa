"""The marks of an answer's sentences: how many are right, on generated sentences that were judged.

The sentences were written by the demo pair: fine-tuned with a published passage before it
(`reading`), by itself (`closed-book`), and the base. Genes and inheritance were judged by what
Genetics Home Reference says of the topic, sentences that stand there letter for letter by that,
the others by reading them beside the published answers. Marked is what is served: against the
first references that the index finds.
"""

import argparse
import json
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from app.references.index import References
from app.references.marks import Evidence, Mark, marked
from benchmarks.harness.machine import ROOT
from benchmarks.harness.results import Row, record, report

SENTENCES = ROOT / "tests" / "app" / "references" / "generated_sentences.jsonl"
FACTS = ("gene", "inheritance", "number")
SYSTEMS = ("reading", "closed-book", "base")
_SERVED = 3  # references, as a request has them by default
_COLUMNS = {
    "sentences": "{sentences:.0f}",
    "marked *stands in*": "{stands:.0f}",
    "of them do": "{stands_precision:.1%}",
    "of those that do": "{stands_recall:.1%}",
    "marked *contradicts*": "{contradicts:.0f}",
    "of them false": "{contradicts_precision:.1%}",
    "of those that are false": "{contradicts_recall:.1%}",
    "false facts not marked *stands in*": "{caught:.1%}",
}

Judged = dict[str, Any]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the benchmark's options."""
    parser.add_argument("--index", type=Path, default=ROOT / "models" / "references")
    parser.add_argument("--sentences", type=Path, default=SENTENCES, help="judged, JSON lines")


def run(arguments: argparse.Namespace) -> int:
    """Print precision and recall."""
    judged = with_marks(read(arguments.sentences), References(arguments.index))
    drawn = [each for each in judged if each["drawn"] == "random"]
    cases = {"all": judged, "drawn at random": drawn}
    for system in SYSTEMS:
        cases[system] = [each for each in judged if each["system"] == system]
    rows = [figures(name, each) for name, each in cases.items()]
    title = f"Marks of {len(judged)} generated sentences, held against a judgment of each."
    report(record("marks", title, _COLUMNS, rows), arguments.keep)
    return 0


def read(path: Path) -> list[Judged]:
    """Return the judged sentences of a file."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def with_marks(judged: Iterable[Judged], references: References) -> list[Judged]:
    """Return the same with the `mark` that each gets as served."""
    return [
        each | {"mark": mark(each["question"], each["sentence"], references)} for each in judged
    ]


def mark(question: str, sentence: str, references: References) -> Mark:
    """Return the mark of a sentence that answers a question."""
    found = references.search(question, _SERVED)
    texts = [Evidence(each.id, each.focus, each.answer, each.score) for each in found]
    [only] = marked(" ".join(sentence.split()), texts)
    return only.mark


def figures(case: str, judged: Sequence[Judged]) -> Row:
    """Return a case's figures; a share of nothing is left out."""
    row: Row = {"case": case, "sentences": float(len(judged))}
    for name, given, true in (("stands", "stands_in", "stands"), ("contradicts",) * 2 + ("false",)):
        is_given, is_true = _having("mark", given), _having("label", true)
        row[name] = float(sum(map(is_given, judged)))
        row[f"{name}_precision"] = _share(judged, is_given, is_true)
        row[f"{name}_recall"] = _share(judged, is_true, is_given)
    row["caught"] = _share(
        judged,
        lambda each: each["false_in"] in FACTS,
        lambda each: each["mark"] != "stands_in",
    )
    return {name: value for name, value in row.items() if value is not None}


def _having(field: str, value: str) -> Callable[[Judged], bool]:
    return lambda each: each[field] == value


def _share(
    judged: Iterable[Judged], of: Callable[[Judged], bool], that: Callable[[Judged], bool]
) -> float | None:
    found = [that(each) for each in judged if of(each)]
    return sum(found) / len(found) if found else None
