"""Hosts that requests may name: any, or those that are listed; probes may name any."""

import httpx
import pytest

from tests.app.conftest import Asking

QUESTION = {"question": "What is asthma?"}


async def _status(client: httpx.AsyncClient, host: str, path: str = "/answer") -> int:
    method = "POST" if path == "/answer" else "GET"
    response = await client.request(method, path, json=QUESTION, headers={"Host": host})
    return response.status_code


async def test_any_host_unless_some_are_listed(asking: Asking) -> None:
    assert await _status(await asking(), "evil.example") == 200
    assert await _status(await asking(allowed_hosts="*"), "evil.example") == 200


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("example.org", 200),
        ("EXAMPLE.org:8443", 200),
        ("a.b.example.com", 200),
        ("[::1]:8000", 200),
        ("example.com", 421),
        ("notexample.org", 421),
        ("example.org.evil.example", 421),
        ("example.org@evil.example", 421),
        ("", 421),
    ],
)
async def test_only_listed_hosts(asking: Asking, host: str, status: int) -> None:
    client = await asking(allowed_hosts="example.org, *.example.com, [::1]")
    assert await _status(client, host) == status


async def test_a_refusal_is_a_problem_and_probes_are_answered(asking: Asking) -> None:
    client = await asking(allowed_hosts="example.org")
    refused = await client.get("/info", headers={"Host": "10.0.0.7:8000"})
    assert refused.headers["content-type"] == "application/problem+json"
    assert "10.0.0.7" not in refused.text
    for path in ("/healthz", "/readyz", "/metrics"):
        assert await _status(client, "10.0.0.7:8000", path) == 200


async def test_no_response_sends_anybody_to_a_host_that_a_request_named(asking: Asking) -> None:
    client = await asking()
    for path in ("/answer/", "/info/", "/docs/", "/v1/models/"):
        response = await client.get(path, headers={"Host": "evil.example"})
        assert response.status_code == 404
        assert "evil.example" not in str(response.headers)
