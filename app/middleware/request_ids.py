"""A name for every request: taken over from X-Request-ID or made, returned, and in every log line.

Knows nothing about what is asked or logged.
"""

import re
import uuid

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.logs import request_id

HEADER = "X-Request-ID"

_SANE = re.compile(r"[A-Za-z0-9._-]{1,128}")


class RequestIds:
    """ASGI middleware that gives each request its id and each response the header that names it.

    An id that a client or proxy sent is kept if it is at most 128 of `A-Za-z0-9._-`: it goes into
    logs and headers, where anything else could pass for more than an id.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on with its id set."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        given = Headers(scope=scope).get(HEADER, "")
        own = given if _SANE.fullmatch(given) else uuid.uuid4().hex
        # Not reset afterwards: the server logs a failure once it has left this middleware, and
        # each request has a context of its own.
        request_id.set(own)

        async def named(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message)[HEADER] = own
            await send(message)

        await self._app(scope, receive, named)
