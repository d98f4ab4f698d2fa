"""HEAD is answered as GET is, without a body."""

import httpx
import pytest

from tests.app.conftest import Asking
from tests.app.middleware.test_authentication import KEYS
from tests.app.server_process import Server


@pytest.mark.parametrize(
    "path",
    [
        *("/", "/docs", "/openapi.json", "/web/page.js", "/web/swagger-ui/swagger-ui.css"),
        *("/healthz", "/readyz", "/info", "/v1/models", "/v1/models/base"),
    ],
)
async def test_every_get_route_takes_it(asking: Asking, path: str) -> None:
    client = await asking()
    got, head = await client.get(path), await client.head(path)
    assert head.status_code == 200
    assert head.content == b""
    for name in ("content-type", "content-length", "cache-control", "etag"):
        assert head.headers.get(name) == got.headers.get(name)


async def test_failures_are_those_of_get(asking: Asking) -> None:
    client = await asking(api_keys=KEYS)
    for path, status in (("/info", 401), ("/healthz", 200), ("/v1/models/base", 401)):
        assert (await client.head(path)).status_code == status
    client = await asking()
    for path, status in (("/nowhere", 404), ("/v1/models/gpt-9", 404), ("/references", 422)):
        response = await client.head(path)
        assert response.status_code == status
        assert response.content == b""
    refused = await client.head("/answer")
    assert refused.status_code == 405
    assert refused.headers["allow"] == "POST"


async def test_a_search_by_head_is_counted(asking: Asking) -> None:
    client = await asking(rate_limit="2/hour")
    statuses = [(await client.head("/references?q=asthma")).status_code for _ in range(3)]
    assert statuses == [404, 404, 429]


def test_the_connection_goes_on_after_it(server: Server) -> None:
    with httpx.Client(base_url=server.url) as client:
        for path in ("/metrics", "/info", "/nowhere"):
            assert client.head(path).content == b""
        assert client.get("/healthz").json() == {"status": "alive"}
