"""Behind a proxy: the address that is believed, and a path prefix. Real servers on loopback."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.app.conftest import Server


@pytest.fixture
def server_with(pair: Path) -> Iterator[type[Server]]:
    """Start servers over the tiny pair; stop them after the test."""
    running: list[Server] = []

    class Stopped(Server):
        def __init__(self, **environment: str) -> None:
            models = {
                "MEDQA_FINE_TUNED_MODEL": str(pair / "fine-tuned"),
                "MEDQA_BASE_MODEL": str(pair / "base"),
            }
            super().__init__(**models | environment)
            running.append(self)
            self.wait_until_ready()

    yield Stopped
    for server in running:
        server.stop()


def _ask(server: Server, forwarded_for: str) -> int:
    body = {"question": "What is asthma?", "max_new_tokens": 1}
    headers = {"X-Forwarded-For": forwarded_for}
    return httpx.post(f"{server.url}/answer", json=body, headers=headers, timeout=60).status_code


def test_a_trusted_proxy_says_who_asks_and_where(server_with: type[Server]) -> None:
    server = server_with(
        MEDQA_RATE_LIMIT="1/hour",
        MEDQA_TRUSTED_PROXIES="127.0.0.0/8,10.0.0.1",
        MEDQA_ROOT_PATH="/medqa",
    )
    assert _ask(server, "203.0.113.7") == 200
    assert _ask(server, "203.0.113.7") == 429
    assert _ask(server, "203.0.113.8") == 200
    # What the client itself wrote stands left of what the proxies added, and is not believed.
    assert _ask(server, "198.51.100.1, 203.0.113.7, 10.0.0.1") == 429

    assert "/medqa/openapi.json" in httpx.get(f"{server.url}/docs").text
    assert httpx.get(f"{server.url}/docs").headers.get("content-security-policy") is None
    document = httpx.get(f"{server.url}/openapi.json").json()
    assert document["servers"] == [{"url": "/medqa"}]


def test_nobody_elses_word_is_taken(server_with: type[Server]) -> None:
    server = server_with(MEDQA_RATE_LIMIT="1/hour", MEDQA_TRUSTED_PROXIES="")
    assert _ask(server, "203.0.113.7") == 200
    assert _ask(server, "203.0.113.8") == 429
