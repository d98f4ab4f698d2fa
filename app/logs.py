"""Log lines: how they look, as text or as JSON, each with the id of its request.

Knows nothing about requests: whoever begins one sets `request_id`.
"""

import logging
import sys
from contextvars import ContextVar
from typing import Literal, TextIO

from pythonjsonlogger.core import RESERVED_ATTRS
from pythonjsonlogger.json import JsonFormatter

LogFormat = Literal["text", "json"]

request_id: ContextVar[str] = ContextVar("request_id", default="")
"""The id of the request that this code runs for; empty outside of any."""

_CHATTY = ("httpx", "ContinuousBatchingLogger")


def configure(level: str, log_format: LogFormat) -> None:
    """Log everything to standard error in one format: ours, the server's, libraries', warnings."""
    logging.basicConfig(level=level.upper(), handlers=[handler(log_format)], force=True)
    logging.captureWarnings(True)
    for chatty in _CHATTY:
        logging.getLogger(chatty).setLevel(logging.WARNING)
    if "transformers" in sys.modules:  # only where a model needs it
        from transformers.utils import logging as transformers_logging

        transformers_logging.disable_progress_bar()
        transformers_logging.disable_default_handler()
        transformers_logging.enable_propagation()


def handler(log_format: LogFormat) -> logging.StreamHandler[TextIO]:
    """Return a handler that writes lines, with the id of their request, to standard error."""
    made = logging.StreamHandler()
    made.addFilter(_add_request_id)
    made.setFormatter(_json() if log_format == "json" else _text())
    return made


def _add_request_id(record: logging.LogRecord) -> bool:
    if current := request_id.get():
        record.request_id = current
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
