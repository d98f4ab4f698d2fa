"""Which client a request is of: for limits, and for shares of what there is.

Knows nothing about what is counted or shared.
"""

import ipaddress
from contextvars import ContextVar

from starlette.types import ASGIApp, Receive, Scope, Send

_IPV6_CLIENT_BITS = 64  # the smallest network that a provider hands out: one client, not 2^64


class ClientNames:
    """ASGI middleware that names the client in a context variable, once its key is known."""

    def __init__(self, app: ASGIApp, variable: ContextVar[str]) -> None:
        self._app = app
        self._variable = variable

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on in a context that says whose it is."""
        if scope["type"] == "http":
            self._variable.set(client_of(scope))  # each request has a context of its own
        await self._app(scope, receive, send)


def client_of(scope: Scope) -> str:
    """Return who asks: the API key's name, else the address (an IPv6 one by its network)."""
    key = scope.get("state", {}).get("api_key")
    if key:
        return f"key:{key}"
    host = scope["client"][0] if scope.get("client") else "unknown"
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return f"address:{host}"
    if isinstance(address, ipaddress.IPv6Address):
        address = address.ipv4_mapped or address
    if isinstance(address, ipaddress.IPv4Address):
        return f"address:{address}"
    return f"address:{ipaddress.IPv6Network((int(address), _IPV6_CLIENT_BITS), strict=False)}"
