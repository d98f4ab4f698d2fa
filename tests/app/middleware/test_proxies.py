"""Behind a proxy: the address that is believed, and a path prefix, by the service's own server."""

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import httpx
import pytest

from app import server
from app.engine.checkpoint import Checkpoint
from app.main import create_app
from app.settings import Settings
from tests.app.conftest import FakeEngine, running
from tests.app.server_process import free_port

Serve = Callable[..., str]


@pytest.fixture
def serve(
    fine_tuned: Checkpoint, base: Checkpoint, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Serve]:
    """Run the server that `python -m app` runs, over fake engines; give its URL."""
    with ExitStack() as running_servers:

        def run(**settings: Any) -> str:
            engines: Any = {
                "fine-tuned": FakeEngine(fine_tuned, "A"),
                "base": FakeEngine(base, "A"),
            }
            app = create_app(Settings(_env_file=None, **settings), engines)
            monkeypatch.setattr(server, "create_app", lambda *_, **__: app)
            configured = server.Server(Settings(_env_file=None, port=free_port(), **settings))
            url = running_servers.enter_context(running(configured))
            while not app.state.service.ready:
                time.sleep(0.01)
            return url

        yield run


def _ask(url: str, forwarded_for: str) -> int:
    body = {"question": "What is asthma?", "max_new_tokens": 1}
    headers = {"X-Forwarded-For": forwarded_for}
    return httpx.post(f"{url}/answer", json=body, headers=headers, timeout=60).status_code


def test_a_trusted_proxy_says_who_asks_and_where(serve: Serve) -> None:
    url = serve(
        rate_limit="1/hour",
        trusted_proxies="127.0.0.0/8,10.0.0.1",
        root_path="/medqa",
    )
    assert _ask(url, "203.0.113.7") == 200
    assert _ask(url, "203.0.113.7") == 429
    assert _ask(url, "203.0.113.8") == 200
    # What the client itself wrote stands left of what the proxies added, and is not believed.
    assert _ask(url, "198.51.100.1, 203.0.113.7, 10.0.0.1") == 429

    document = httpx.get(f"{url}/openapi.json").json()
    assert document["servers"] == [{"url": "/medqa"}]


def test_nobody_elses_word_is_taken(serve: Serve) -> None:
    url = serve(rate_limit="1/hour", trusted_proxies="")
    assert _ask(url, "203.0.113.7") == 200
    assert _ask(url, "203.0.113.8") == 429
