"""Who may ask: a known API key, as a bearer token or in X-API-Key, where keys are set."""

import hashlib
import hmac
from collections.abc import Sequence

from fastapi import Request
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from app.errors import Unauthorized
from app.middleware.api_keys import ApiKey
from app.middleware.error_responses import service_error
from app.middleware.route_policy import needs_key, route_path


class RequireKey:
    """ASGI middleware that lets only holders of a key pass, before their body is read.

    Leaves the name of the key in `request.state.api_key`.
    """

    def __init__(self, app: ASGIApp, keys: Sequence[ApiKey]) -> None:
        self._app = app
        self._keys = keys

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or refuse it."""
        if scope["type"] == "http" and needs_key(route_path(scope)):
            try:
                key = self._identify(_presented(Headers(scope=scope)))
            except Unauthorized as error:
                await service_error(Request(scope), error)(scope, receive, send)
                return
            scope.setdefault("state", {})["api_key"] = key.name
        await self._app(scope, receive, send)

    def _identify(self, presented: str) -> ApiKey:
        if not presented:
            raise Unauthorized(
                "An API key is needed, as `Authorization: Bearer <key>` or `X-API-Key: <key>`."
            )
        # Starlette decodes headers as Latin-1: encoded again, they are the bytes that were sent.
        digest = hashlib.sha256(presented.encode("latin-1")).hexdigest()
        found = None
        for key in self._keys:  # all of them, always: time must not tell which one was close
            if hmac.compare_digest(key.digest, digest):
                found = key
        if found is None:
            raise Unauthorized("The API key is not known.")
        return found


def _presented(headers: Headers) -> str:
    """Return the key that a request shows, or nothing."""
    scheme, _, token = headers.get("authorization", "").partition(" ")
    bearer = token.strip() if scheme.lower() == "bearer" else ""
    return headers.get("x-api-key", "").strip() or bearer
