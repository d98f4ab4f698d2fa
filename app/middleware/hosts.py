"""Which hosts a request may name, where that is limited.

Another site can have its own name resolve to this machine (DNS rebinding): to a browser its page is
then of the same origin as this service, and may ask and read as the service's own page does.
"""

from collections.abc import Sequence
from http import HTTPStatus

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from app.errors import problem
from app.middleware.error_responses import respond
from app.middleware.route_policy import PROBES, route_path


class AllowedHosts:
    """ASGI middleware that refuses requests to hosts that are not listed (421, RFC 9110).

    Probes name whatever address they found, and learn nothing that is private.
    """

    def __init__(self, app: ASGIApp, hosts: Sequence[str]) -> None:
        self._app = app
        self._exact = {host for host in hosts if not host.startswith("*")}
        self._endings = tuple(host[1:] for host in hosts if host.startswith("*."))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or refuse it."""
        if scope["type"] == "http" and route_path(scope) not in PROBES:
            named = Headers(scope=scope).get("host", "")
            host = named.partition("]")[0] + "]" if named[:1] == "[" else named.partition(":")[0]
            host = host.lower()
            if host not in self._exact and not host.endswith(self._endings):
                refused = problem(
                    HTTPStatus.MISDIRECTED_REQUEST, "This service does not answer for that host."
                )
                await respond(scope, refused)(scope, receive, send)
                return
        await self._app(scope, receive, send)
