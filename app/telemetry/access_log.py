"""The log line that says what became of a request.

It holds no question and no answer unless a setting asks for them.
"""

import json
import logging
from collections.abc import Callable
from typing import Any

from app.answering.answer import Attempt
from app.telemetry.request_records import RequestRecord

logger = logging.getLogger("app.requests")


def access_log(texts: bool) -> Callable[[RequestRecord], None]:
    """Return an observer that logs one line per request, with its texts only if `texts`."""

    def log(record: RequestRecord) -> None:
        logger.info(
            _Event(
                message=f"{record.method} {record.route} {record.status}",
                method=record.method,
                route=record.route,
                status=record.status,
                client=record.client,
                key=record.key,
                total_ms=_milliseconds(record.seconds),
                model=record.model,
                finish_reason=record.finish_reason,
                answers=[_answer(attempt, texts) for attempt in record.attempts],
            )
        )

    return log


class _Event(dict[str, Any]):
    """A message with fields: JSON shows them side by side, text as a list after the message."""

    def __str__(self) -> str:
        fields = (f"{name}={json.dumps(self[name])}" for name in self if name != "message")
        return " ".join([self["message"], *fields])


def _answer(attempt: Attempt, texts: bool) -> dict[str, Any]:
    answer = attempt.answer
    fields = {
        "model": attempt.model,
        "finish_reason": answer.finish_reason if answer else None,
        "error": type(attempt.error).__name__ if attempt.error else None,
        "prompt_tokens": attempt.prompt_tokens,
        "completion_tokens": attempt.completion_tokens,
        "queue_ms": _milliseconds(attempt.queue_seconds),
        "first_token_ms": _milliseconds(attempt.first_token_seconds),
        "total_ms": _milliseconds(answer.total_seconds if answer else None),
    }
    if texts:
        fields |= {"question": attempt.question, "answer": answer.text if answer else None}
    return fields


def _milliseconds(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds * 1_000, 3)
