"""Failures that no route sees: unknown paths, wrong methods, wrong content types."""

from typing import Any

import httpx
import pytest

from tests.app.conftest import Asking


def _is_problem(response: httpx.Response, status: int) -> None:
    assert response.status_code == status
    assert response.headers["content-type"] == "application/problem+json"
    problem = response.json()
    assert problem["status"] == status
    assert problem["title"]
    assert problem["detail"]


async def test_an_unknown_route(asking: Asking) -> None:
    client = await asking()
    for path in ("/nowhere", "/answer/more", "/redoc"):
        _is_problem(await client.get(path), 404)
        _is_problem(await client.post(path, json={}), 404)


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("GET", "/answer", "POST"),
        ("PUT", "/compare", "POST"),
        ("OPTIONS", "/answer", "POST"),
        ("BREW", "/answer", "POST"),
        ("POST", "/healthz", "GET"),
        ("DELETE", "/info", "GET"),
    ],
)
async def test_a_wrong_method_names_the_right_one(
    asking: Asking, method: str, path: str, allowed: str
) -> None:
    response = await (await asking()).request(method, path)
    _is_problem(response, 405)
    assert response.headers["allow"] == allowed


@pytest.mark.parametrize("path", ["/answer", "/compare"])
@pytest.mark.parametrize(
    ("sent", "named"),
    [
        ({"content": b"What?", "headers": {"Content-Type": "text/plain"}}, "'text/plain'"),
        ({"data": {"question": "What?"}}, "'application/x-www-form-urlencoded'"),
        ({"files": {"question": b"What?"}}, "'multipart/form-data"),
        ({"content": b'{"question": "What?"}'}, "missing"),
        ({"content": b"<q/>", "headers": {"Content-Type": "é" * 9_000}}, "é"),
        ({"content": b'{"question": "?"}', "headers": {"Content-Type": "json"}}, "'json'"),
    ],
)
async def test_a_wrong_content_type_is_named(
    asking: Asking, path: str, sent: dict[str, Any], named: str
) -> None:
    if "headers" in sent:
        sent = sent | {
            "headers": {name: text.encode("latin-1") for name, text in sent["headers"].items()}
        }
    response = await (await asking()).post(path, **sent)
    _is_problem(response, 415)
    assert named in response.json()["detail"]
    assert "application/json" in response.json()["detail"]
    assert response.headers["accept"] == "application/json"
    assert len(response.content) < 1_000


@pytest.mark.parametrize(
    "content_type", ["application/json", "Application/JSON; charset=utf-8", "application/x+json"]
)
async def test_json_by_any_name_is_taken(asking: Asking, content_type: str) -> None:
    response = await (await asking()).post(
        "/answer", content=b'{"question": "What?"}', headers={"Content-Type": content_type}
    )
    assert response.status_code == 200
