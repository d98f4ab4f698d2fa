"""Failures that no route sees: unknown paths, wrong methods, wrong content types."""

import gzip
import zlib
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
    assert response.headers["allow"] == allowed + (", HEAD" if allowed == "GET" else "")
    assert response.json()["detail"] == f"{method} is not taken here; {allowed} is."


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


@pytest.mark.parametrize(
    ("path", "meant"),
    [
        ("/v1/v1/chat/completions", "'/v1/chat/completions'"),
        ("/v1/v1/v1/models", "'/v1/models'"),
        ("/v1/v1", "'/v1'"),
        ("/chat/completions", "/v1/chat/completions"),
        ("/models", "/v1/models"),
        ("/responses", "/v1/responses"),
        ("/v1/responses", "/v1/chat/completions"),
        ("/v1/responses/resp_1/cancel", "/v1/chat/completions"),
        ("/v1/embeddings", "/v1/models, /v1/completions, /v1/chat/completions"),
        ("/v1", "/v1/models, /v1/completions, /v1/chat/completions"),
        ("/v1", "/v1/chat/completions"),
        ("/v1/models/", "'/v1/models'"),
        ("/v1//chat//completions/", "'/v1/chat/completions'"),
        ("/compare//", "'/compare'"),
        ("/nowhere/", "/docs"),
        ("/v1beta/models", "/docs"),
        ("/ask", "/docs"),
    ],
)
async def test_an_unknown_path_says_what_was_meant(asking: Asking, path: str, meant: str) -> None:
    client = await asking()
    for response in (await client.post(path, json={}), await client.get(path)):
        assert response.status_code == 404
        body = response.json()
        assert meant in (body["error"]["message"] if "error" in body else body["detail"])


_LATIN = '{"question": "Was ist Grünkohl?"}'.encode("latin-1")
_PLAIN = b'{"question": "What is asthma?"}'


@pytest.mark.parametrize(
    ("body", "headers", "status", "said"),
    [
        (_LATIN, {}, 400, "not UTF-8, as JSON must be: byte 0xfc at 24"),
        (_LATIN, {"Content-Type": "application/json; charset=iso-8859-1"}, 400, "not UTF-8"),
        ('"é"'.encode("cp1252"), {}, 400, "byte 0xe9 at 1"),
        (
            gzip.compress(_PLAIN, mtime=0),
            {"Content-Encoding": "gzip"},
            415,
            "Content-Encoding is 'gzip'",
        ),
        (gzip.compress(_PLAIN, mtime=0), {}, 415, "compressed by gzip"),
        (zlib.compress(_PLAIN), {"Content-Encoding": "deflate"}, 415, "'deflate'"),
        (b"\x0b\x02\x80{}\x03", {"Content-Encoding": "br"}, 415, "'br'"),
        (b"not json", {"Content-Encoding": "zstd"}, 415, "'zstd'"),
        (b"[" * 60_000, {}, 400, "nested too deeply"),
        (b'{"max_tokens": ' + b"9" * 5_000 + b"}", {}, 400, "a number of too many digits"),
        (b"null", {}, None, "must be a JSON object"),
        (b"[]", {}, None, "must be a JSON object"),
        (b'"question"', {}, None, "must be a JSON object"),
    ],
)
@pytest.mark.parametrize("path", ["/answer", "/v1/chat/completions"])
async def test_a_body_that_is_no_text_says_why(
    asking: Asking, path: str, body: bytes, headers: dict[str, str], status: int, said: str
) -> None:
    sent = {"Content-Type": "application/json"} | headers
    response = await (await asking()).post(path, content=body, headers=sent)
    assert response.status_code == (status or (422 if path == "/answer" else 400))
    assert said in response.text
    if status == 415:
        assert response.headers["accept-encoding"] == "identity"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
async def test_unicode_in_any_form_is_taken(asking: Asking, encoding: str) -> None:
    body = '{"question": "Was ist Grünkohl?"}'.encode(encoding)
    headers = {"Content-Type": "application/json", "Content-Encoding": "identity"}
    response = await (await asking()).post("/answer", content=body, headers=headers)
    assert response.json()["question"] == "Was ist Grünkohl?"
