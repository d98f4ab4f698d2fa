"""`python -m training evaluate-served`: hold what a running service answers to what is published.

Three measures, each for the model as served, the model by itself, and the published text shown:
facts (genes and inheritance, by string match), ROUGE-L on the questions of test_unseen, and, with
--liveqa, LiveQA's reference answers to messages of real people. Prints the figures as JSON, with
95% intervals; --out also writes them to a file.
"""

import argparse
import json
import logging
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from rouge_score.rouge_scorer import RougeScorer
from rouge_score.tokenizers import DefaultTokenizer

from training.data.topics import normalise
from training.errors import DataError
from training.evaluation.as_served import SYSTEMS, Served, information, served
from training.evaluation.facts import (
    TYPES,
    FactQuestion,
    fact_questions,
    is_right,
    stated,
    states_any,
)
from training.evaluation.metrics import METRICS, difference, measure
from training.evaluation.questions import drawn, questions, read_table
from training.files import write_whole
from training.provenance import provenance

MOST_TRAINED = 120
_ROUGE = RougeScorer(["rougeL"], tokenizer=DefaultTokenizer(use_stemmer=False))
_TELLING = re.compile(r"\d[\d.,]*\d|\d|[^\W\d_]{5,}")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    parser.add_argument("--url", default="http://127.0.0.1:8000", help="of a running service")
    parser.add_argument("--data", type=Path, default=Path("data"), help="what `prepare` wrote")
    parser.add_argument("--liveqa", type=Path, help="messages with reference answers, JSON lines")
    parser.add_argument("--limit", type=int, help="only so many questions of each measure")
    parser.add_argument("--out", type=Path, help="file to write the figures to as well")


def run(arguments: argparse.Namespace) -> int:
    """Run the command."""
    logging.getLogger("httpx").setLevel(logging.WARNING)  # it would log every question
    found = evaluate(arguments.url, arguments.data, arguments.liveqa, arguments.limit)
    written = json.dumps(found, indent=1)
    print(written)
    if arguments.out:
        write_whole(arguments.out, f"{written}\n".encode())
    return 0


def evaluate(url: str, data: Path, liveqa: Path | None, limit: int | None) -> dict[str, Any]:
    """Return the figures.

    Raises:
        TrainingError: the service does not answer, or a file cannot be read.
    """
    table = read_table(data)
    found = {"service": information(url), **provenance(data / "medquad.csv"), "systems": SYSTEMS}
    found["facts"] = _facts(url, table, limit)
    split = questions(table, "test_unseen", table["Split"] == "train")
    asked = [split.asked[place] for place in drawn(split.asked, limit or len(split.asked))]
    replies = served(url, [each.text for each in asked], "test_unseen")
    found["test_unseen"] = _compared(
        replies, [each.references for each in asked], [each.group for each in asked]
    )
    if liveqa:
        found["liveqa"] = _liveqa(url, liveqa, limit)
    return found


def _facts(url: str, table: pd.DataFrame, limit: int | None) -> dict[str, Any]:
    """Return for each kind of fact, topics trained on and never seen, how often it is right."""
    found: dict[str, Any] = {}
    for kind in TYPES:
        found[kind] = {}
        for split, most in (("train", limit or MOST_TRAINED), ("test_unseen", limit)):
            asked = fact_questions(table, split, kind, most)
            if not asked:  # other people's data have none
                continue
            replies = served(url, [each.row.question for each in asked], f"{kind}, {split}")
            groups = pd.Series([each.row.group for each in asked])
            found[kind][split] = {"questions": len(asked)} | {
                system: _means(
                    groups,
                    right=[
                        is_right(each, reply.texts[system])
                        for each, reply in zip(asked, replies, strict=True)
                    ],
                    another=[
                        not is_right(each, reply.texts[system])
                        and bool(stated(kind, reply.texts[system]))
                        for each, reply in zip(asked, replies, strict=True)
                    ],
                )
                for system in SYSTEMS
            }
            found[kind][split]["from_wrong_passage"] = _from_wrong_passage(table, asked, replies)
            found[kind][split]["grounded"] = sum(reply.grounded for reply in replies) / len(asked)
    return found


def _from_wrong_passage(
    table: pd.DataFrame, asked: Sequence[FactQuestion], replies: Sequence[Served]
) -> dict[str, Any]:
    """Return how often a passage was about another topic, and its fact stated for the one asked.

    Of all questions, and of those with such a passage; an index that `training index
    --exclude-topics-of` made has no other passages for them.
    """
    known = set(zip(map(normalise, table["FocusFixed"]), table["GroupId"], strict=True))
    another = [
        any((normalise(topic), each.row.group) not in known for topic in reply.topics)
        for each, reply in zip(asked, replies, strict=True)
    ]
    states = [
        wrong and states_any(each, text["reading"], stated(each.kind, text["published"]))
        for wrong, each, text in zip(another, asked, (r.texts for r in replies), strict=True)
    ]
    groups = pd.Series([each.row.group for each in asked])
    return {
        "another_topic": sum(another),
        "states": sum(states),
        "of_all": _means(groups, of=states)["of"],
        "of_another_topic": sum(states) / sum(another) if any(another) else None,
    }


def _liveqa(url: str, path: Path, limit: int | None) -> dict[str, Any]:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
        rows = [row for row in map(json.loads, lines) if row["reference_answers"]][:limit]
        messages = [row["message"] or row["subject"] for row in rows]
        answers = [[each["answer"] for each in row["reference_answers"]] for row in rows]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(f"{path}: no messages with reference answers: {error!r}") from error
    if not rows:
        raise DataError(f"{path}: no messages with reference answers")
    replies = served(url, messages, "LiveQA")
    groups = [str(number) for number in range(len(rows))]
    overlap = {
        system: [
            _fact_overlap(reply.texts[system], references, message)
            for reply, references, message in zip(replies, answers, messages, strict=True)
        ]
        for system in SYSTEMS
    }
    return _compared(replies, answers, groups) | {
        "fact_overlap": {
            system: _means(pd.Series(groups), of=values)["of"] for system, values in overlap.items()
        }
    }


def _fact_overlap(answer: str, references: Sequence[str], message: str) -> float:
    """Return the share of the numbers and longer words of a reference that an answer has.

    Words of the message do not count; of several references the nearest does.
    """
    said, asked = _telling(answer), _telling(message)
    wanted = [_telling(reference) - asked for reference in references]
    return max((len(words & said) / len(words) for words in wanted if words), default=0.0)


def _telling(text: str) -> set[str]:
    return set(_TELLING.findall(text.lower()))


def _compared(
    replies: Sequence[Served], references: Sequence[Sequence[str]], groups: Sequence[str]
) -> dict[str, Any]:
    """Return each system's ROUGE-L, and by how much reading is above the others."""
    keys = pd.Series(list(groups))
    tables = {
        system: _table(
            [
                _ROUGE.score_multi(published, reply.texts[system])["rougeL"].fmeasure
                for published, reply in zip(references, replies, strict=True)
            ]
        )
        for system in SYSTEMS
    }
    metric = METRICS["rouge_l"]
    return {
        "questions": len(replies),
        "grounded": sum(reply.grounded for reply in replies) / len(replies),
        "ended": sum(reply.ended for reply in replies) / len(replies),
        "rouge_l": {name: measure(metric, table, keys) for name, table in tables.items()},
        "reading_minus": {
            name: difference(metric, tables["reading"], tables[name], keys)
            for name in ("closed_book", "published")
        },
    }


def _means(groups: "pd.Series[str]", **values: Sequence[float]) -> dict[str, Any]:
    return {
        name: measure(METRICS["rouge_l"], _table(each), groups) for name, each in values.items()
    }


def _table(values: Sequence[float]) -> pd.DataFrame:
    """Return values as sums of the metric that is a mean over answers."""
    return pd.DataFrame({"rouge_l": [float(value) for value in values], "answers": 1.0})
