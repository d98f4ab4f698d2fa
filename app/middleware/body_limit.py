"""A bounded request body: one that is too large or too slow is refused before it is read whole."""

import asyncio
from http import HTTPStatus

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.errors import problem
from app.middleware.error_responses import respond


class BodyLimit:
    """ASGI middleware that refuses bodies over `max_body_bytes`, or longer on their way.

    FastAPI's own limit of the size does the same, but answers in plain text.
    """

    def __init__(self, app: ASGIApp, max_body_bytes: int, timeout_seconds: float) -> None:
        self._app = app
        self._max_body_bytes = max_body_bytes
        self._timeout_seconds = timeout_seconds
        self._refusal = f"The body is larger than {max_body_bytes} bytes."

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, with its body counted and timed as it is read."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        declared = Headers(scope=scope).get("content-length", "")
        if declared.isdigit() and int(declared) > self._max_body_bytes:
            refused = problem(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, self._refusal)
            await respond(scope, refused)(scope, receive, send)
            return
        deadline = asyncio.get_running_loop().time() + self._timeout_seconds
        read, whole = 0, False

        async def bounded() -> Message:
            nonlocal read, whole
            if whole:  # what comes now is the client's leaving, whenever that is
                return await receive()
            message = await self._in_time(receive, deadline)
            read += len(message.get("body", b""))
            whole = not message.get("more_body", False)
            if read > self._max_body_bytes:
                raise HTTPException(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, self._refusal)
            return message

        await self._app(scope, bounded, send)

    async def _in_time(self, receive: Receive, deadline: float) -> Message:
        try:
            async with asyncio.timeout_at(deadline):
                return await receive()
        except TimeoutError:
            late = f"The body did not arrive within {self._timeout_seconds:g} seconds."
            closing = {"Connection": "close"}
            raise HTTPException(HTTPStatus.REQUEST_TIMEOUT, late, closing) from None
