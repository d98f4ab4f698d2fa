"""Every response names its request, whatever became of it."""

import re

import httpx
import pytest

from app.answering.answer import ModelName
from app.engine.checkpoint import Checkpoint
from app.main import create_app
from app.settings import Settings
from tests.app.conftest import FakeEngine, client_of
from tests.app.server_process import Server

MADE = re.compile(r"[0-9a-f]{32}")


@pytest.mark.parametrize("given", ["abc", "A-z_0.9", "x" * 128])
def test_a_sane_id_is_taken_over(server: Server, given: str) -> None:
    response = httpx.get(f"{server.url}/healthz", headers={"X-Request-ID": given})
    assert response.headers.get_list("X-Request-ID") == [given]


@pytest.mark.parametrize("given", ["", "x" * 129, "a b", 'a"b', "a/b", "é", "a\tb"])
def test_any_other_is_replaced(server: Server, given: str) -> None:
    headers = {b"X-Request-ID": given.encode()}
    response = httpx.get(f"{server.url}/healthz", headers=headers)
    assert MADE.fullmatch(response.headers["X-Request-ID"])


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("POST", "/answer", {"question": "What is asthma?"}, 200),
        ("POST", "/answer", {"question": "What is asthma?", "stream": True}, 200),
        ("POST", "/answer", {}, 422),
        ("POST", "/answer", {"question": "x" * 100_000}, 413),
        ("GET", "/answer", None, 405),
        ("GET", "/nowhere", None, 404),
    ],
)
def test_every_response_has_one(
    server: Server, method: str, path: str, body: object, status: int
) -> None:
    ids = set()
    for _ in range(2):
        response = httpx.request(method, f"{server.url}{path}", json=body, timeout=60)
        assert response.status_code == status
        ids.add(response.headers["X-Request-ID"])
    assert len(ids) == 2
    assert all(MADE.fullmatch(request_id) for request_id in ids)


async def test_a_failure_that_nobody_expected_has_one(
    fine_tuned: Checkpoint, base: Checkpoint
) -> None:
    engines: dict[ModelName, FakeEngine] = {
        "fine-tuned": FakeEngine(fine_tuned, "x"),
        "base": FakeEngine(base, "x"),
    }
    async with client_of(create_app(Settings(), engines)) as client:
        engines["fine-tuned"].error = RuntimeError("a bug")
        headers = {"X-Request-ID": "mine"}
        response = await client.post("/answer", json={"question": "?"}, headers=headers)
    assert response.status_code == 500
    assert response.headers.get_list("X-Request-ID") == ["mine"]
