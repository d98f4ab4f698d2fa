"""Why a body cannot be read as JSON: compressed, not in UTF-8, nested or counting without end."""

from http import HTTPStatus
from typing import Any, NamedTuple

from starlette.datastructures import Headers

from app.errors import problem

_GZIP = b"\x1f\x8b"  # RFC 1952
_AS_IT_IS = {"Accept-Encoding": "identity"}  # RFC 9110, section 12.5.3


class Unreadable(NamedTuple):
    """The problem to answer with, and the headers beside it."""

    problem: dict[str, Any]
    headers: dict[str, str] | None = None


def unreadable(headers: Headers, cause: BaseException | None) -> Unreadable | None:
    """Return why a body could not be parsed; None where its text is at fault, not its bytes.

    Args:
        headers: of the request.
        cause: what was raised as the body was parsed.

    """
    coding = headers.get("content-encoding", "identity").strip().lower()
    if coding not in ("identity", ""):
        return _compressed(f"The body is encoded: Content-Encoding is {coding[:40]!r}.")
    if isinstance(cause, UnicodeDecodeError):
        if bytes(cause.object).startswith(_GZIP):
            return _compressed("The body is compressed by gzip.")
        byte = cause.object[cause.start]
        said = f"The body is not UTF-8, as JSON must be: byte {byte:#04x} at {cause.start}."
        return Unreadable(problem(HTTPStatus.BAD_REQUEST, said))
    if isinstance(cause, RecursionError):
        return Unreadable(problem(HTTPStatus.BAD_REQUEST, "The body is nested too deeply."))
    if isinstance(cause, ValueError):  # Python reads no number of more digits than that
        said = "The body holds a number of too many digits."
        return Unreadable(problem(HTTPStatus.BAD_REQUEST, said))
    return None


def _compressed(said: str) -> Unreadable:
    detail = f"{said} This service reads bodies as they are, without any coding."
    return Unreadable(problem(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, detail), _AS_IT_IS)
