"""How large a request's headers may be, its address too: h11 bounds only what comes in pieces."""

from http import HTTPStatus

from starlette.types import ASGIApp, Receive, Scope, Send

from app.errors import problem
from app.middleware.error_responses import respond

_MAX_FIELDS = 100  # as many as common servers take
_AROUND_FIELD = len(": \r\n")


class HeaderLimit:
    """ASGI middleware that refuses headers of too many bytes or fields (431, RFC 6585)."""

    def __init__(self, app: ASGIApp, max_header_bytes: int) -> None:
        self._app = app
        self._max_header_bytes = max_header_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or refuse it and close the connection."""
        if scope["type"] == "http":
            headers = scope["headers"]
            size = sum(len(name) + len(value) + _AROUND_FIELD for name, value in headers)
            size += len(scope.get("raw_path") or b"") + len(scope["query_string"])
            if size > self._max_header_bytes or len(headers) > _MAX_FIELDS:
                refused = problem(
                    HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
                    f"The headers have {size} bytes in {len(headers)} fields; this service takes "
                    f"{self._max_header_bytes} bytes in {_MAX_FIELDS} fields.",
                )
                await respond(scope, refused, {"Connection": "close"})(scope, receive, send)
                return
        await self._app(scope, receive, send)
