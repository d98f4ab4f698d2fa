"""`python -m training evaluate-references`: ask a service for references, judge what it finds.

Over HTTP, so that what is measured is what is served: the ranking by judged questions, the time of
a search, and how many of MedQuAD's own questions, which are no emergencies, get a notice.
"""

import argparse
import json
import logging
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import numpy as np

from training.errors import TrainingError
from training.judged import DEPTH, measures, read_judged, summary

_CLIENTS = 2
_LATENCY_QUESTIONS = 1_000


class Found(NamedTuple):
    """What the service found for a message, and in how many milliseconds, HTTP included."""

    ids: list[str]
    kinds: list[str]
    milliseconds: float


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    parser.add_argument("--url", default="http://127.0.0.1:8000", help="of a running service")
    parser.add_argument("--questions", type=Path, help="judged questions, one JSON object a line")
    parser.add_argument(
        "--index",
        type=Path,
        default=Path("models/references"),
        help="the index that the service has: its questions are asked for times and red flags",
    )
    parser.add_argument("--limit", type=int, help="ask only so many of those, drawn at random")


def run(arguments: argparse.Namespace) -> int:
    """Run the command."""
    logging.getLogger("httpx").setLevel(logging.WARNING)  # it would log every question
    figures = evaluate(arguments.url, arguments.questions, arguments.index, arguments.limit)
    print(json.dumps(figures, indent=2))
    return 0


def evaluate(
    url: str, questions: Path | None, index: Path, limit: int | None = None
) -> dict[str, Any]:
    """Return the figures.

    Raises:
        TrainingError: the service does not answer, or a file cannot be read.

    """
    figures: dict[str, Any] = {}
    asked = _questions(index)
    order = np.random.default_rng(17).permutation(len(asked))[:limit]
    asked = [asked[number] for number in order]
    with httpx.Client(base_url=url, timeout=60) as client:
        if questions:
            judged = read_judged(questions)
            found = [_ask(client, question.message) for question in judged]
            figures["judged"] = {"questions": len(judged)} | summary(
                measures(judged, [each.ids for each in found])
            )
            figures["judged"]["milliseconds"] = _times(found)
        alone = [_ask(client, question) for question in asked[:_LATENCY_QUESTIONS]]
        figures["milliseconds"] = _times(alone)
        with ThreadPoolExecutor(_CLIENTS) as pool:
            rest = list(pool.map(lambda text: _ask(client, text), asked[len(alone) :]))
    flagged = [kind for each in [*alone, *rest] for kind in each.kinds[:1]]
    figures["red_flags"] = {
        "questions": len(asked),
        "flagged": len(flagged),
        "rate": round(len(flagged) / len(asked), 6),
    }
    return figures


def _questions(index: Path) -> list[str]:
    try:
        with (index / "questions.jsonl").open(encoding="utf-8") as file:
            return [json.loads(line)["question"] for line in file]
    except (OSError, ValueError, KeyError) as error:
        raise TrainingError(
            f"{index} is no index ({error!r}); `python -m training index --out {index}` makes one"
        ) from error


def _ask(client: httpx.Client, message: str) -> Found:
    started = time.perf_counter()
    try:
        response = client.get("/references", params={"q": message, "limit": DEPTH})
    except httpx.TransportError as error:
        raise TrainingError(f"{client.base_url} does not answer: {error}") from error
    milliseconds = (time.perf_counter() - started) * 1_000
    if response.status_code != httpx.codes.OK:
        raise TrainingError(f"{client.base_url} answers {response.status_code}: {response.text}")
    body = response.json()
    return Found(
        [reference["id"] for reference in body["references"]],
        [notice["kind"] for notice in body.get("notices", [])],
        milliseconds,
    )


def _times(found: list[Found]) -> dict[str, float]:
    times = [each.milliseconds for each in found]
    p50, p95, p99 = np.percentile(times, [50, 95, 99]).round(2).tolist()
    return {"searches": len(times), "p50": p50, "p95": p95, "p99": p99, "max": round(max(times), 2)}
