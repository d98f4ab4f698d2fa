"""Log lines: how they look, as text or as JSON, and the one that says what became of a request.

Every line carries the id of the request that it was written for. No line holds a question or an
answer unless a setting asks for it.
"""

import json
import logging
from collections.abc import Callable
from typing import Any, Literal, TextIO

from pythonjsonlogger.core import RESERVED_ATTRS
from pythonjsonlogger.json import JsonFormatter
from transformers.utils import logging as transformers_logging

from app.answering.answerer import Attempt
from app.middleware import request_ids
from app.telemetry.request_records import RequestRecord

logger = logging.getLogger("app.requests")

LogFormat = Literal["text", "json"]

_CHATTY = ("httpx", "ContinuousBatchingLogger")


def configure(level: str, log_format: LogFormat) -> None:
    """Log everything to standard error in one format: ours, the server's, libraries', warnings."""
    logging.basicConfig(level=level.upper(), handlers=[handler(log_format)], force=True)
    logging.captureWarnings(True)
    for chatty in _CHATTY:
        logging.getLogger(chatty).setLevel(logging.WARNING)
    transformers_logging.disable_progress_bar()
    transformers_logging.disable_default_handler()
    transformers_logging.enable_propagation()


def handler(log_format: LogFormat) -> logging.StreamHandler[TextIO]:
    """Return a handler that writes lines, with the id of their request, to standard error."""
    made = logging.StreamHandler()
    made.addFilter(_add_request_id)
    made.setFormatter(_json() if log_format == "json" else _text())
    return made


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


def _add_request_id(record: logging.LogRecord) -> bool:
    if request_id := request_ids.current():
        record.request_id = request_id
    return True


def _text() -> logging.Formatter:
    return logging.Formatter(
        "%(asctime)s %(levelname)s %(name)s [%(request_id)s]: %(message)s",
        defaults={"request_id": "-"},
    )


def _json() -> logging.Formatter:
    return JsonFormatter(
        ["levelname", "name", "message"],
        timestamp=True,
        rename_fields={"levelname": "level", "name": "logger", "exc_info": "exception"},
        # Uvicorn's second copy of its messages, with terminal colours.
        reserved_attrs=[*RESERVED_ATTRS, "color_message"],
    )
