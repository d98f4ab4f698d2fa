"""`python -m training evaluate-references`: ask a service for references, judge what it finds.

Over HTTP, so that what is measured is what is served: the ranking by judged questions, the time of
a search, which messages get a notice. With --out also thirty generated answers with their marks,
and two files:
    references.json   every figure
    references.html   the figures and the answers, on one page that needs no other file
"""

import argparse
import json
import logging
import time
import zlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import numpy as np

from training.arguments import positive
from training.errors import TrainingError
from training.evaluation.questions import drawn, questions, read_table
from training.files import make_directory, write_whole
from training.references.compact import read_texts
from training.references.ranking_metrics import DEPTH, measures, read_judged, summary
from training.references.report import references_report

_CLIENTS = 2
_LATENCY_QUESTIONS = 1_000
_EXAMPLES = {"test_unseen": 15, "test_seen": 15}
_KEPT = ("digest", "questions", "answered", "excluded")


_STRANGER = "{} is another service: what it answers is not what this service's routes do"


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
    parser.add_argument("--limit", type=positive, help="ask only so many of those, drawn at random")
    parser.add_argument(
        "--messages",
        type=Path,
        nargs="+",
        default=[],
        help="messages with their kind of red flag or null, one JSON object a line",
    )
    parser.add_argument("--data", type=Path, default=Path("data"), help="what `prepare` wrote")
    parser.add_argument("--out", type=Path, help="where to write the report (default: none)")


def run(arguments: argparse.Namespace) -> int:
    """Run the command."""
    logging.getLogger("httpx").setLevel(logging.WARNING)  # it would log every question
    if arguments.out:
        read_table(arguments.data)  # wanted last
        make_directory(arguments.out)
    figures = evaluate(
        arguments.url, arguments.questions, arguments.index, arguments.limit, arguments.messages
    )
    written = json.dumps(figures, indent=2)
    print(written)
    if arguments.out:
        answers = examples(arguments.url, arguments.data)
        write_whole(arguments.out / "references.json", f"{written}\n".encode())
        html = references_report(figures, answers)
        write_whole(arguments.out / "references.html", html.encode())
    return 0


def evaluate(
    url: str,
    questions: Path | None,
    index: Path,
    limit: int | None = None,
    messages: Sequence[Path] = (),
) -> dict[str, Any]:
    """Return the figures.

    Raises:
        TrainingError: the service does not answer, or a file cannot be read.

    """
    described = _read(index / "index.json", _KEPT)
    figures: dict[str, Any] = {"index": {name: described[name] for name in _KEPT}}
    asked = _questions(index)
    judged = read_judged(questions) if questions else []
    if questions and not judged:
        raise TrainingError(f"{questions} holds no judged question")
    order = np.random.default_rng(17).permutation(len(asked))[:limit]
    asked = [asked[number] for number in order]
    with _client(url, seconds=60) as client:
        source = _source(client)
        figures["model"] = "/".join(Path(source).parts[-2:])  # not where this machine has it
        if judged:
            found = [_ask(client, question.message) for question in judged]
            figures["judged"] = {"questions": len(judged)} | summary(
                measures(judged, [each.ids for each in found])
            )
            figures["judged"]["milliseconds"] = _times(found)
        alone = [_ask(client, question) for question in asked[:_LATENCY_QUESTIONS]]
        figures["milliseconds"] = _times(alone)
        with ThreadPoolExecutor(_CLIENTS) as pool:
            rest = list(pool.map(lambda text: _ask(client, text), asked[len(alone) :]))
        figures["messages"] = {path.stem: _flagged_messages(client, path) for path in messages}
    figures["red_flags"] = _flagged([*alone, *rest])
    return figures


def examples(url: str, data: Path) -> list[dict[str, Any]]:
    """Return test questions, chosen by a hash of their text, with the service's replies.

    Raises:
        TrainingError: the service does not answer, or the data cannot be read.

    """
    table = read_table(data)
    found = []
    with _client(url, seconds=300) as client:
        for split, number in _EXAMPLES.items():
            asked = questions(table, split, table["Split"] == "train").asked
            for place in drawn(asked, number):
                body = {"question": asked[place].text, "references": 3}
                reply = _json(client, "POST", "/answer", json=body)
                found.append({"question": asked[place].text, "split": split, "reply": reply})
    return found


def _flagged(found: list[Found]) -> dict[str, Any]:
    flagged = sum(bool(each.kinds) for each in found)
    return {
        "questions": len(found),
        "flagged": flagged,
        "rate": round(flagged / len(found), 6) if found else 0.0,
    }


def _flagged_messages(client: httpx.Client, path: Path) -> dict[str, Any]:
    try:
        lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        groups = {
            "emergencies": [line["text"] for line in lines if line["kind"]],
            "harmless": [line["text"] for line in lines if not line["kind"]],
        }
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise TrainingError(f"{path}: no messages, one JSON object a line: {error!r}") from error
    return {
        name: _flagged([_ask(client, text) for text in texts]) for name, texts in groups.items()
    }


def _read(path: Path, wanted: Sequence[str]) -> dict[str, Any]:
    """Return a JSON object that has the wanted fields."""
    try:
        read: Any = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise TrainingError(f"{path} cannot be read: {error}") from error
    missing = [name for name in wanted if name not in read] if isinstance(read, dict) else wanted
    if missing:
        raise TrainingError(f"{path} is another kind of file: it has no {', '.join(missing)}")
    found: dict[str, Any] = read
    return found


def _questions(index: Path) -> list[str]:
    try:
        return [row.partition("\t")[2] for row in read_texts(index / "rows")]
    except (OSError, EOFError, ValueError, LookupError, zlib.error) as error:
        raise TrainingError(
            f"{index} is no index ({error!r}); `python -m training index --out {index}` makes one"
        ) from error


def _ask(client: httpx.Client, message: str) -> Found:
    started = time.perf_counter()
    body = _json(client, "POST", "/references", json={"question": message, "limit": DEPTH})
    milliseconds = (time.perf_counter() - started) * 1_000
    try:
        ids = [reference["id"] for reference in body["references"]]
        kinds = [notice["kind"] for notice in body.get("notices", [])]
    except (LookupError, TypeError) as error:
        raise TrainingError(_STRANGER.format(client.base_url)) from error
    return Found(ids, kinds, milliseconds)


def _source(client: httpx.Client) -> str:
    try:
        return str(_json(client, "GET", "/info")["models"][0]["source"])
    except (LookupError, TypeError) as error:
        raise TrainingError(_STRANGER.format(client.base_url)) from error


def _client(url: str, seconds: float) -> httpx.Client:
    try:
        return httpx.Client(base_url=url, timeout=seconds)
    except (httpx.InvalidURL, ValueError) as error:
        raise TrainingError(f"--url {url!r} is no address: {error}") from error


def _json(client: httpx.Client, method: str, path: str, **request: Any) -> dict[str, Any]:
    try:
        response = client.request(method, path, **request)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise TrainingError(f"{client.base_url} does not answer: {error}") from error
    if response.status_code != httpx.codes.OK:
        raise TrainingError(f"{client.base_url} answers {response.status_code}: {response.text}")
    try:
        body: dict[str, Any] = response.json()
    except ValueError as error:
        raise TrainingError(_STRANGER.format(client.base_url)) from error
    return body


def _times(found: list[Found]) -> dict[str, float]:
    times = [each.milliseconds for each in found]
    p50, p95, p99 = np.percentile(times, [50, 95, 99]).round(2).tolist()
    return {"searches": len(times), "p50": p50, "p95": p95, "p99": p99, "max": round(max(times), 2)}
