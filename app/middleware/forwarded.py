"""Who asks, behind a proxy whose address is not known: the last one that anybody reported.

Uvicorn believes listed proxies from the right, but where all are believed it takes the leftmost
address of X-Forwarded-For, which the client itself wrote: a new address with each request.
"""

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

_SCHEMES = {"http", "https"}


class LastForwarded:
    """ASGI middleware that takes client and scheme from what the proxy in front has added."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on as the proxy's client asked it."""
        if scope["type"] == "http":
            headers = Headers(scope=scope)
            reported = ",".join(headers.getlist("x-forwarded-for")).rpartition(",")[2].strip()
            if reported:
                scope["client"] = (_without_port(reported), 0)
            scheme = headers.get("x-forwarded-proto", "").strip()
            if scheme in _SCHEMES:
                scope["scheme"] = scheme
        await self._app(scope, receive, send)


def _without_port(address: str) -> str:
    """Return the address alone: some proxies add the port, another one for each connection."""
    if address.startswith("["):
        return address[1:].partition("]")[0]
    return address.partition(":")[0] if address.count(":") == 1 else address
