"""A request whose end two servers may see at different places is refused (request smuggling)."""

from http import HTTPStatus

from starlette.types import ASGIApp, Receive, Scope, Send

from app.errors import problem
from app.middleware.error_responses import respond

_FRAMING = {b"content-length", b"transfer-encoding"}


class OneFraming:
    """ASGI middleware that refuses a body with both a length and a transfer coding.

    A proxy in front may go by the one and this server by the other, and the rest of the body then
    is the next request, of whoever comes next. RFC 9112, section 6.3, lets a server refuse and has
    it close the connection; h11 does neither.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or refuse it and close the connection."""
        if scope["type"] == "http" and {name for name, _ in scope["headers"]} >= _FRAMING:
            refused = problem(
                HTTPStatus.BAD_REQUEST, "Content-Length and Transfer-Encoding exclude each other."
            )
            await respond(scope, refused, {"Connection": "close"})(scope, receive, send)
            return
        await self._app(scope, receive, send)
