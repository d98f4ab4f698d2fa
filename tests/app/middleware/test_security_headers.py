"""What browsers are told, on every response, and which other sites' pages may ask."""

from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from app.main import create_app
from app.settings import Settings
from tests.app.conftest import Asking
from tests.app.middleware.test_authentication import KEY, KEYS

QUESTION = {"question": "What is asthma?"}
SITE = "https://clinic.example"


def _is_strict(headers: httpx.Headers) -> bool:
    policy = headers.get("content-security-policy", "")
    return "default-src 'none'" in policy and "unsafe" not in policy


async def test_every_response_has_them(asking: Asking) -> None:
    client = await asking(api_keys=KEYS, rate_limit="3/minute", max_body_bytes=1000)
    key = {"X-API-Key": KEY}
    responses = {
        200: await client.post("/answer", json=QUESTION, headers=key),
        401: await client.post("/answer", json=QUESTION),
        404: await client.get("/nowhere", headers=key),
        405: await client.get("/answer", headers=key),
        413: await client.post("/answer", json={"question": "x" * 2000}, headers=key),
        422: await client.post("/answer", json={}, headers=key),
        429: await client.post("/answer", json=QUESTION, headers=key),
    }
    for status, response in responses.items():
        assert response.status_code == status
        assert response.headers["x-content-type-options"] == "nosniff"
        assert response.headers["x-frame-options"] == "DENY"
        assert response.headers["referrer-policy"] == "no-referrer"
        assert "frame-ancestors 'none'" in response.headers["content-security-policy"]
        assert _is_strict(response.headers)


@pytest.mark.parametrize("stream", [False, True])
async def test_answers_are_stored_nowhere(asking: Asking, stream: bool) -> None:
    response = await (await asking()).post("/answer", json=QUESTION | {"stream": stream})
    assert response.headers.get_list("cache-control") == ["no-store"]


async def test_the_documentation_is_as_strict(asking: Asking) -> None:
    client = await asking(api_keys=KEYS)  # which none of it needs
    for path in (
        "/docs",
        "/openapi.json",
        "/web/docs/docs.js",
        "/web/swagger-ui/swagger-ui-bundle.js",
    ):
        response = await client.get(path)
        assert response.status_code == 200
        assert _is_strict(response.headers)


async def test_other_sites_are_told_nothing_by_default(asking: Asking) -> None:
    client = await asking()
    response = await client.post("/answer", json=QUESTION, headers={"Origin": SITE})
    preflight = await _preflight(client, SITE)
    for headers in (response.headers, preflight.headers):
        assert not [name for name in headers if name.startswith("access-control")]


async def test_a_site_on_the_list_may_ask(asking: Asking) -> None:
    client = await asking(cors_origins=f"{SITE},https://other.example", api_keys=KEYS)
    preflight = await _preflight(client, SITE)  # browsers send no key with it
    assert preflight.status_code == 200
    assert preflight.headers["access-control-allow-origin"] == SITE
    assert "POST" in preflight.headers["access-control-allow-methods"]
    assert "x-api-key" in preflight.headers["access-control-allow-headers"].lower()
    for key, status in ((KEY, 200), ("wrong", 401)):
        headers = {"Origin": SITE, "X-API-Key": key}
        response = await client.post("/answer", json=QUESTION, headers=headers)
        assert response.status_code == status
        assert response.headers["access-control-allow-origin"] == SITE
        assert "access-control-allow-credentials" not in response.headers
        exposed = response.headers["access-control-expose-headers"].split(", ")
        assert set(exposed) == {"RateLimit", "RateLimit-Policy", "Retry-After", "X-Request-ID"}


async def test_a_site_that_is_not_on_it_may_not(asking: Asking) -> None:
    client = await asking(cors_origins=SITE)
    for origin in ("https://evil.example", SITE + ".evil.example", "null"):
        response = await client.post("/answer", json=QUESTION, headers={"Origin": origin})
        assert "access-control-allow-origin" not in response.headers
        preflight = await _preflight(client, origin)
        assert preflight.status_code == 400
        assert "access-control-allow-origin" not in preflight.headers


async def _preflight(client: httpx.AsyncClient, origin: str) -> httpx.Response:
    headers = {
        "Origin": origin,
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "content-type,x-api-key",
    }
    return await client.options("/answer", headers=headers)


def _broken() -> FastAPI:
    app = create_app(Settings(_env_file=None, cors_origins=SITE))

    @app.get("/healthz/broken")
    async def broken() -> Any:
        raise RuntimeError("a secret of the server")

    return app


async def test_an_unexpected_failure_has_them_too_and_tells_nothing() -> None:
    transport = httpx.ASGITransport(_broken(), raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        response = await client.get("/healthz/broken", headers={"Origin": SITE})
    assert response.status_code == 500
    assert response.headers["content-type"] == "application/problem+json"
    assert "secret" not in response.text
    assert _is_strict(response.headers)
    assert response.headers["access-control-allow-origin"] == SITE


async def test_an_unexpected_failure_reaches_the_servers_log() -> None:
    transport = httpx.ASGITransport(_broken())  # raises here what uvicorn would log
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        with pytest.raises(RuntimeError, match="a secret of the server"):
            await client.get("/healthz/broken")
