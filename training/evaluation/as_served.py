"""What a running service says to questions, as whoever asks it gets it.

Three answers to each: by the fine-tuned model with what the service has it read (`reading`), by
itself (`closed_book`), and by no model: the published text that is shown first (`published`).
"""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import httpx
from tqdm import tqdm

from training.errors import TrainingError

SYSTEMS = {
    "reading": "the fine-tuned model, as served: it reads what the service found",
    "closed_book": "the same model by itself",
    "published": "no model: the published text that is shown first",
}
_CLIENTS = 4
_TIMEOUT_SECONDS = 300.0


class Served(NamedTuple):
    """A service's replies to one question."""

    texts: dict[str, str]
    """By the names in `SYSTEMS`; "" where there is none."""
    grounded: bool
    """Whether it had a passage to read."""
    ended: bool
    """Whether the model ended its `reading` answer by itself."""
    topics: tuple[str, ...]
    """Of the passages that it read."""


def served(url: str, questions: Sequence[str], label: str) -> list[Served]:
    """Return the replies of the service at `url` to each question.

    Raises:
        TrainingError: the service does not answer.
    """
    with (
        httpx.Client(base_url=url, timeout=_TIMEOUT_SECONDS) as client,
        ThreadPoolExecutor(_CLIENTS) as threads,
    ):

        def ask(question: str) -> Served:
            reading = _answer(client, question, references=1)
            shown = reading.get("references") or [{}]
            passages = reading.get("passages", [])
            texts = {
                "reading": reading["answer"],
                "closed_book": _answer(client, question, grounded=False, references=0)["answer"],
                "published": passages[0]["text"] if passages else shown[0].get("excerpt") or "",
            }
            ended = reading["finish_reason"] == "end"
            topics = tuple(passage["title"] for passage in passages)
            return Served(texts, bool(passages), ended, topics)

        found = threads.map(ask, questions)
        return list(tqdm(found, total=len(questions), desc=label, unit="question"))


def information(url: str) -> dict[str, Any]:
    """Return which model and index the service at `url` has.

    Raises:
        TrainingError: it does not answer.
    """
    with httpx.Client(base_url=url, timeout=_TIMEOUT_SECONDS) as client:
        found = _reply(client, "GET", "/info")
    index = found.get("references") or {}
    return {
        "grounded": found["grounded"],
        "model": found["models"][0]["source"].rstrip("/").rpartition("/")[2],
        "index": {
            name: index[name] for name in ("digest", "questions", "excluded") if name in index
        },
    }


def _answer(client: httpx.Client, question: str, **asked: Any) -> dict[str, Any]:
    return _reply(client, "POST", "/answer", json={"question": question, **asked})


def _reply(client: httpx.Client, method: str, path: str, **sent: Any) -> dict[str, Any]:
    try:
        reply = client.request(method, path, **sent)
        reply.raise_for_status()
    except httpx.HTTPError as error:
        raise TrainingError(f"{client.base_url} does not answer: {error}") from error
    found: dict[str, Any] = reply.json()
    return found
