"""The rate limit: who is counted together, what responses say, what a dead storage does."""

import asyncio
import logging
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from limits import parse
from starlette.responses import PlainTextResponse

from app.middleware import rate_limit, rate_window
from app.middleware.clients import client_of
from app.middleware.rate_limit import RateLimit, open_storage
from app.middleware.rate_window import SteadyWindow
from tests.app.conftest import Asking
from tests.app.middleware.test_authentication import KEY, KEYS, OTHER

QUESTION = {"question": "What is asthma?"}


class Clock:
    """The time, moved by hand."""

    def __init__(self) -> None:
        self.now = 1_000_000.25

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    moved = Clock()
    monkeypatch.setattr(rate_window, "monotonic", moved)
    return moved


async def test_no_limit_is_the_default(asking: Asking) -> None:
    response = await (await asking()).post("/answer", json=QUESTION)
    assert response.status_code == 200
    assert not {"ratelimit", "ratelimit-policy"} & set(response.headers)


async def test_each_response_says_what_is_left_and_when_more_is(
    asking: Asking, clock: Clock
) -> None:
    client = await asking(rate_limit="2/minute")
    first = await client.post("/answer", json=QUESTION)
    assert first.status_code == 200
    assert first.headers["ratelimit-policy"] == '"default";q=2;w=60'
    assert first.headers["ratelimit"] == '"default";r=1;t=60'
    clock.now += 20
    second = await client.post("/compare", json=QUESTION)
    assert second.status_code == 200
    assert second.headers["ratelimit"] == '"default";r=0;t=40'
    clock.now += 10
    third = await client.post("/answer", json=QUESTION)
    assert third.status_code == 429
    assert third.headers["content-type"] == "application/problem+json"
    assert third.headers["retry-after"] == "30"
    assert third.headers["ratelimit"] == '"default";r=0;t=30'
    assert third.headers["ratelimit-policy"] == '"default";q=2;w=60'
    assert third.json()["detail"] == "The limit is 2 requests in 60 seconds."
    assert third.json()["retry_after_seconds"] == 30
    clock.now += 30.001  # as told: the first has left the window, the second has not
    assert (await client.post("/answer", json=QUESTION)).status_code == 200
    assert (await client.post("/answer", json=QUESTION)).status_code == 429


async def test_events_and_failures_are_counted_too(asking: Asking, clock: Clock) -> None:
    client = await asking(rate_limit="9/minute")
    stream = await client.post("/answer", json=QUESTION | {"stream": True})
    assert "event: done" in stream.text
    assert stream.headers["ratelimit"] == '"default";r=8;t=60'
    invalid = await client.post("/answer", json={})
    assert invalid.status_code == 422
    assert invalid.headers["ratelimit"] == '"default";r=7;t=60'


async def test_only_questions_are_counted(asking: Asking) -> None:
    client = await asking(rate_limit="1/minute")
    for method, path in (("GET", "/info"), ("GET", "/readyz"), ("GET", "/answer")):
        response = await client.request(method, path)
        assert response.status_code != 429
        assert "ratelimit" not in response.headers
    assert (await client.post("/answer", json=QUESTION)).status_code == 200


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/answer"),
        ("POST", "/compare"),
        ("GET", "/references"),
        ("POST", "/v1/completions"),
        ("POST", "/v1/chat/completions"),
    ],
)
async def test_every_route_that_answers_is_counted(asking: Asking, method: str, path: str) -> None:
    response = await (await asking(rate_limit="5/minute")).request(method, path)
    assert response.headers["ratelimit"].startswith('"default";r=4;')


async def test_each_key_has_its_own_limit_and_strangers_use_up_none(asking: Asking) -> None:
    client = await asking(rate_limit="1/minute", api_keys=KEYS)
    for _ in range(3):
        refused = await client.post("/answer", json=QUESTION, headers={"X-API-Key": "wrong"})
        assert refused.status_code == 401
        assert "ratelimit" not in refused.headers
    for key in (KEY, OTHER):
        for status in (200, 429):
            response = await client.post(
                "/answer", json=QUESTION, headers=[(b"X-API-Key", key.encode())]
            )
            assert response.status_code == status


async def test_no_more_pass_when_they_come_at_once(asking: Asking) -> None:
    client = await asking(rate_limit="5/minute")
    responses = await asyncio.gather(*(client.post("/answer", json=QUESTION) for _ in range(20)))
    assert sorted(response.status_code for response in responses) == [200] * 5 + [429] * 15


async def _statuses(app: Any, *addresses: str) -> list[int]:
    statuses = []
    for address in addresses:
        transport = httpx.ASGITransport(app, client=(address, 1))
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            statuses.append((await client.post("/answer")).status_code)
    return statuses


async def test_each_address_has_its_own_limit() -> None:
    limited = RateLimit(PlainTextResponse("yes"), parse("1/hour"), open_storage("memory://"))
    assert await _statuses(limited, "192.0.2.1", "192.0.2.2", "192.0.2.1") == [200, 200, 429]


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("192.0.2.1", "192.0.2.1", True),
        ("192.0.2.1", "192.0.2.2", False),
        ("::ffff:192.0.2.1", "192.0.2.1", True),
        ("2001:db8::1", "2001:db8::ffff:2", True),  # one network, so one client with 2^64 addresses
        ("2001:db8::1", "2001:db8:0:1::1", False),
        ("::1", "0.0.0.1", False),
        ("testclient", "unix", False),
    ],
)
def test_who_is_counted_together(one: str, other: str, same: bool) -> None:
    assert (client_of({"client": (one, 1)}) == client_of({"client": (other, 2)})) is same


def test_a_key_is_never_taken_for_an_address() -> None:
    named = {"client": ("192.0.2.1", 1), "state": {"api_key": "192.0.2.9"}}
    assert client_of(named) == client_of(named | {"client": ("192.0.2.2", 1)})
    assert client_of(named) != client_of({"client": ("192.0.2.9", 1)})
    assert client_of({"client": None}) == client_of({})


async def _hang(*_: Any, **__: Any) -> bool:
    await asyncio.sleep(60)
    return True


async def _refuse(*_: Any, **__: Any) -> bool:
    raise ConnectionRefusedError("nobody listens there")


@pytest.mark.parametrize("acquire", [_hang, _refuse])
async def test_a_storage_that_fails_lets_everyone_pass_and_is_logged_once(
    acquire: Any,
    asking: Asking,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    client = await asking(rate_limit="1/minute")
    with monkeypatch.context() as broken, caplog.at_level(logging.WARNING, rate_limit.__name__):
        broken.setattr(rate_limit, "STORAGE_TIMEOUT_SECONDS", 0.01)
        broken.setattr(SteadyWindow, "acquire_entry", acquire)
        for _ in range(3):
            response = await client.post("/answer", json=QUESTION)
            assert response.status_code == 200
            assert "ratelimit" not in response.headers
        assert [record.levelname for record in caplog.records] == ["WARNING"]
        assert "nobody is limited" in caplog.text
    statuses = [(await client.post("/answer", json=QUESTION)).status_code for _ in range(2)]
    assert statuses == [200, 429]
    assert "is back" in caplog.text


async def test_a_redis_that_is_down_lets_everyone_pass(
    asking: Asking, caplog: pytest.LogCaptureFixture
) -> None:
    client = await asking(
        rate_limit="1/minute", rate_limit_storage="redis://user:secret@127.0.0.1:1"
    )
    for _ in range(2):
        assert (await client.post("/answer", json=QUESTION)).status_code == 200
    assert "nobody is limited" in caplog.text
    assert "secret" not in caplog.text


@pytest.fixture
def redis_uri(tmp_path: Any) -> Iterator[str]:
    """A real Redis, for this test alone."""
    program = shutil.which("redis-server")
    if not program:
        pytest.skip("needs redis-server")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    process = subprocess.Popen(
        [program, "--port", str(port), "--bind", "127.0.0.1", "--save", ""],
        cwd=tmp_path,
        stdout=subprocess.DEVNULL,
    )
    try:
        for _ in range(100):
            try:
                socket.create_connection(("127.0.0.1", port)).close()
                break
            except ConnectionRefusedError:
                time.sleep(0.05)
        yield f"redis://127.0.0.1:{port}/3"
    finally:
        process.terminate()
        process.wait()


async def test_processes_count_together_in_redis(asking: Asking, redis_uri: str) -> None:
    clients = [await asking(rate_limit="3/minute", rate_limit_storage=redis_uri) for _ in range(2)]
    responses = [await clients[number % 2].post("/answer", json=QUESTION) for number in range(4)]
    assert [response.status_code for response in responses] == [200, 200, 200, 429]
    left = [response.headers["ratelimit"].split(";")[1] for response in responses]
    assert left == ["r=2", "r=1", "r=0", "r=0"]
    assert 50 <= int(responses[-1].headers["retry-after"]) <= 60
