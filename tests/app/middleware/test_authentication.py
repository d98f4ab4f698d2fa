"""With keys set, only their holders may ask; what needs no key stays open."""

import hashlib
import hmac
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.types import Message, Receive, Scope, Send

from app.middleware.api_keys import parse_key
from app.middleware.authentication import RequireKey
from tests.app.conftest import Asking

KEY = "mq-0123456789abcdef"
OTHER = "schlüssel-ф"
KEYS = ",".join(
    f"{name}:{hashlib.sha256(key.encode()).hexdigest()}"
    for name, key in {"alice": KEY, "bob": OTHER}.items()
)
QUESTION = {"question": "What is asthma?"}


@pytest.fixture
async def client(asking: Asking) -> httpx.AsyncClient:
    return await asking(api_keys=KEYS)


async def test_without_keys_everyone_may_ask(asking: Asking) -> None:
    client = await asking()
    assert (await client.post("/answer", json=QUESTION)).status_code == 200
    document = (await client.get("/openapi.json")).json()
    assert "securitySchemes" not in document["components"]
    assert "security" not in document["paths"]["/answer"]["post"]


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/answer"),
        ("POST", "/compare"),
        ("GET", "/info"),
        ("GET", "/references"),
        ("GET", "/v1/models"),
        ("POST", "/v1/completions"),
        ("POST", "/v1/chat/completions"),
        ("GET", "/not/yet/written"),
    ],
)
async def test_without_a_key_nothing_is_told(
    client: httpx.AsyncClient, method: str, path: str
) -> None:
    response = await client.request(method, path)
    assert response.status_code == 401
    assert response.headers["www-authenticate"] == "Bearer"
    assert "X-API-Key" in response.text
    if path.startswith("/v1/"):
        assert set(response.json()) == {"error"}
    else:
        assert response.headers["content-type"] == "application/problem+json"
        assert response.json()["status"] == 401


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/docs", "/openapi.json"])
async def test_what_is_open_needs_no_key(client: httpx.AsyncClient, path: str) -> None:
    assert (await client.get(path)).status_code == 200


@pytest.mark.parametrize("path", ["/", "/web/page.js", "/metrics"])
async def test_the_page_and_metrics_need_no_key(client: httpx.AsyncClient, path: str) -> None:
    assert (await client.get(path)).status_code != 401


@pytest.mark.parametrize(
    "headers",
    [
        {"Authorization": f"Bearer {KEY}"},
        {"authorization": f"bearer  {KEY}"},
        {"X-API-Key": KEY},
        {"X-API-Key": OTHER.encode()},
        {"X-API-Key": KEY, "Authorization": "Basic cHJveHk6cGFzcw=="},
    ],
)
async def test_any_key_shown_either_way_lets_in(client: httpx.AsyncClient, headers: Any) -> None:
    assert (await client.post("/answer", json=QUESTION, headers=headers)).status_code == 200
    assert (await client.get("/info", headers=headers)).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"Authorization": "Bearer wrong"},
        {"Authorization": "Bearer "},
        {"Authorization": "Bearer"},
        {"Authorization": KEY},
        {"Authorization": f"Basic {KEY}"},
        {"X-API-Key": KEY[:-1]},
        {"X-API-Key": KEY + "0"},
        {"X-API-Key": ""},
        {"X-API-Key": hashlib.sha256(KEY.encode()).hexdigest()},
        {"X-API-Key": "alice"},
        {"Cookie": f"X-API-Key={KEY}"},
    ],
)
async def test_anything_else_does_not(client: httpx.AsyncClient, headers: Any) -> None:
    response = await client.post("/answer", json=QUESTION, headers=headers)
    assert response.status_code == 401
    assert KEY not in response.text


async def test_keys_of_the_file_count_beside_those_of_the_variable(
    asking: Asking, tmp_path: Path
) -> None:
    file = tmp_path / "keys"
    file.write_text(f"carol:{hashlib.sha256(b'from a file').hexdigest()}\n")
    client = await asking(api_keys=KEYS, api_keys_file=file)
    for key, status in ((KEY, 200), ("from a file", 200), ("neither", 401)):
        response = await client.get("/info", headers={"X-API-Key": key})
        assert response.status_code == status


async def test_every_key_is_compared_in_constant_time(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    compared = []
    compare_digest = hmac.compare_digest

    def counting(first: str, second: str) -> bool:
        compared.append((first, second))
        return compare_digest(first, second)

    monkeypatch.setattr(hmac, "compare_digest", counting)
    for key in (KEY, "unknown"):
        compared.clear()
        await client.get("/info", headers={"X-API-Key": key})
        assert len(compared) == 2


def _get(path: str, **more: Any) -> Scope:
    return {"type": "http", "method": "GET", "path": path, "headers": []} | more


async def test_a_stranger_is_refused_before_the_body_is_read() -> None:
    async def app(_: Scope, __: Receive, ___: Send) -> None:
        raise AssertionError("let in")

    async def receive() -> Message:
        raise AssertionError("read")

    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    await RequireKey(app, [parse_key(KEYS.split(",")[0])])(_get("/answer"), receive, send)
    assert sent[0]["status"] == 401


@pytest.mark.parametrize(
    ("path", "open_to_all"),
    [
        ("/medqa/healthz", True),
        ("/medqa/answer", False),
        ("/medqa", False),
        ("/medqa/web", False),
        ("/medqa/web/../answer", True),  # no route but the page's own files is below /web/
    ],
)
async def test_a_proxys_prefix_changes_nothing(path: str, open_to_all: bool) -> None:
    passed = []

    async def app(scope: Scope, _: Receive, __: Send) -> None:
        passed.append(scope["path"])

    async def nothing(*_: Any) -> Any:
        return None

    await RequireKey(app, [])(_get(path, root_path="/medqa"), nothing, nothing)
    assert bool(passed) == open_to_all


async def test_the_name_of_the_key_is_left_for_logs_and_metrics() -> None:
    names = []

    async def app(scope: Scope, _: Receive, __: Send) -> None:
        names.append(scope["state"]["api_key"])

    async def nothing(*_: Any) -> Any:
        return None

    scope = _get("/info", headers=[(b"x-api-key", KEY.encode())])
    await RequireKey(app, [parse_key(key) for key in KEYS.split(",")])(scope, nothing, nothing)
    assert names == ["alice"]


async def test_openapi_declares_both_ways_to_show_a_key(client: httpx.AsyncClient) -> None:
    for _ in range(2):
        document = (await client.get("/openapi.json")).json()
        schemes = document["components"]["securitySchemes"]
        assert {scheme["type"] for scheme in schemes.values()} == {"http", "apiKey"}
        either: list[dict[str, list[str]]] = [{name: []} for name in schemes]
        for path, method in (("/answer", "post"), ("/compare", "post"), ("/info", "get")):
            operation = document["paths"][path][method]
            assert operation["security"] == either
            assert "application/problem+json" in operation["responses"]["401"]["content"]
        for path in ("/healthz", "/readyz"):
            assert "security" not in document["paths"][path]["get"]
            assert "401" not in document["paths"][path]["get"]["responses"]
