"""How often a client may ask: a moving window per API key, or per address where none is shown.

Says how much is left in the `RateLimit` and `RateLimit-Policy` fields of
draft-ietf-httpapi-ratelimit-headers-10.
"""

import asyncio
import logging
import math
import time
from typing import NamedTuple

from fastapi import Request
from limits import RateLimitItem
from limits.aio.storage import RedisStorage, Storage
from limits.aio.strategies import MovingWindowRateLimiter
from limits.errors import StorageError
from limits.storage import storage_from_string
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.errors import RateLimited
from app.middleware.clients import client_of
from app.middleware.error_responses import service_error
from app.middleware.rate_window import SteadyWindow
from app.middleware.route_policy import is_counted, route_path

logger = logging.getLogger(__name__)

STORAGE_TIMEOUT_SECONDS = 1.0  # a storage that answers later than this would hold up every answer
_NAMESPACE = "medqa"  # other services may count in the same Redis


class Count(NamedTuple):
    """What is left of a client's limit once a request is counted."""

    allowed: bool
    remaining: int
    reset_seconds: int  # until the oldest request leaves the window, and so one more fits


def open_storage(uri: str) -> Storage:
    """Return where requests are counted; `uri` is `memory://` or `redis://…`."""
    if uri == "memory://":
        return SteadyWindow()
    storage = storage_from_string(f"async+{uri}", wrap_exceptions=True, implementation="redispy")
    assert isinstance(storage, Storage)
    return storage


async def close_storage(storage: Storage) -> None:
    """Close the connections of a storage that has any."""
    if isinstance(storage, RedisStorage):
        await storage.bridge.get_connection().aclose()  # type: ignore[attr-defined]


class RateLimit:
    """ASGI middleware that counts the requests for answers, and refuses those beyond the limit.

    A storage that fails lets everyone pass: the limit protects a service that has a bounded queue
    anyway, and must not be what takes it down.
    """

    def __init__(self, app: ASGIApp, limit: RateLimitItem, storage: Storage) -> None:
        self._app = app
        self._limit = limit
        self._window = MovingWindowRateLimiter(storage)
        # Processes that count together in Redis share no clock but the wall's.
        self._now = storage.now if isinstance(storage, SteadyWindow) else time.time
        self._policy = f'"default";q={limit.amount};w={limit.get_expiry()}'
        self._counting = True

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Count the request if it is one that counts; then pass it on, or refuse it."""
        if scope["type"] != "http" or not is_counted(scope["method"], route_path(scope)):
            await self._app(scope, receive, send)
            return
        count = await self._count(client_of(scope))
        if count is None:
            await self._app(scope, receive, send)
            return

        async def telling(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers["RateLimit-Policy"] = self._policy
                headers["RateLimit"] = f'"default";r={count.remaining};t={count.reset_seconds}'
            await send(message)

        if count.allowed:
            await self._app(scope, receive, telling)
            return
        limit = f"{self._limit.amount} requests in {self._limit.get_expiry()} seconds"
        refusal = RateLimited(f"The limit is {limit}.", count.reset_seconds)
        await service_error(Request(scope), refusal)(scope, receive, telling)

    async def _count(self, client: str) -> Count | None:
        """Count a request of `client`; None when the storage does not answer."""
        try:
            async with asyncio.timeout(STORAGE_TIMEOUT_SECONDS):
                allowed = await self._window.hit(self._limit, _NAMESPACE, client)
                stats = await self._window.get_window_stats(self._limit, _NAMESPACE, client)
        except (StorageError, OSError) as error:
            if self._counting:  # once, not for every request of an outage
                logger.warning("the rate limit's storage fails, so nobody is limited: %r", error)
            self._counting = False
            return None
        if not self._counting:
            logger.warning("the rate limit's storage is back")
        self._counting = True
        reset_seconds = max(1, math.ceil(stats.reset_time - self._now()))
        return Count(allowed, max(0, stats.remaining), reset_seconds)
