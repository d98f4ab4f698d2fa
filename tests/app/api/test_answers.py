"""The routes by the contract, over a real server: bodies, events, every bad input."""

import asyncio
import concurrent.futures
import json
import socket
import time
from typing import Any

import httpx
import pytest

from tests.app.server_process import Server

QUESTION = "What is asthma?"


def _post(server: Server, path: str, body: Any, **more: Any) -> httpx.Response:
    return httpx.post(f"{server.url}{path}", json=body, timeout=60, **more)


def _events(text: str) -> list[tuple[str, Any]]:
    """Parse server-sent events."""
    events = []
    for block in text.strip().split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.splitlines() if line[0] != ":")
        if fields:
            events.append((fields["event"], json.loads(fields["data"])))
    return events


def test_answer(server: Server) -> None:
    response = _post(server, "/answer", {"question": QUESTION})
    assert response.status_code == 200
    body = response.json()
    assert set(body) == {
        "id", "model", "question", "answer", "finish_reason", "dtype", "usage", "decoding",
        "timing", "grounded", "sentences", "spans", "disclaimer",
    }  # fmt: skip
    assert body["model"] == "fine-tuned"
    assert body["question"] == QUESTION
    assert body["finish_reason"] in ("end", "length")
    assert body["dtype"] == "float32"
    assert 0 < body["usage"]["completion_tokens"] <= 20
    assert 0 <= body["timing"]["queue_ms"] <= body["timing"]["first_token_ms"]
    assert body["timing"]["first_token_ms"] <= body["timing"]["total_ms"]
    assert "not medical advice" in body["disclaimer"]


def test_the_same_question_has_the_same_answer(server: Server) -> None:
    for model in ("fine-tuned", "base"):
        answers = [
            _post(server, "/answer", {"question": QUESTION, "model": model}).json()
            for _ in range(2)
        ]
        assert answers[0]["answer"] == answers[1]["answer"]
        assert answers[0]["id"] != answers[1]["id"]


def test_concurrent_answers_equal_single_ones(server: Server) -> None:
    questions = [f"What is disease number {number}?" for number in range(8)]
    alone = [_post(server, "/answer", {"question": text}).json()["answer"] for text in questions]
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        together = list(
            pool.map(lambda text: _post(server, "/answer", {"question": text}), questions)
        )
    assert [response.json()["answer"] for response in together] == alone


def test_compare(server: Server) -> None:
    body = _post(server, "/compare", {"question": QUESTION}).json()
    assert set(body) == {"id", "question", "fine_tuned", "base", "disclaimer"}
    for side in ("fine_tuned", "base"):
        assert set(body[side]) == {
            "answer", "finish_reason", "dtype", "usage", "decoding", "timing",
            "grounded", "sentences", "spans",
        }  # fmt: skip
    single = {
        side: _post(server, "/answer", {"question": QUESTION, "model": model}).json()["answer"]
        for side, model in (("fine_tuned", "fine-tuned"), ("base", "base"))
    }
    assert {side: body[side]["answer"] for side in single} == single


def test_compare_with_a_reference(server: Server) -> None:
    body = _post(server, "/compare", {"question": QUESTION, "reference": "A lung disease."}).json()
    for side in ("fine_tuned", "base"):
        scores = body[side]["scores"]
        assert set(scores) == {"rouge_l", "token_f1", "bits_per_byte"}
        assert scores["bits_per_byte"] > 0


def test_a_reference_beyond_the_context_has_no_bits(server: Server) -> None:
    body = _post(server, "/compare", {"question": QUESTION, "reference": "long " * 500}).json()
    assert body["base"]["scores"]["bits_per_byte"] is None


@pytest.mark.parametrize("ask", ["field", "header"])
@pytest.mark.parametrize("path", ["/answer", "/compare"])
def test_events(server: Server, path: str, ask: str) -> None:
    whole = _post(server, path, {"question": QUESTION}).json()
    body = {"question": QUESTION} | ({"stream": True} if ask == "field" else {})
    headers = {"Accept": "text/event-stream"} if ask == "header" else {}
    response = _post(server, path, body, headers=headers)
    assert response.headers["content-type"].startswith("text/event-stream")
    *events, (name, done) = _events(response.text)
    assert name == "done"
    tokens = [event for event in events if event[0] == "token"]
    sides = {"fine-tuned": "fine_tuned", "base": "base"} if path == "/compare" else {}
    outcomes = {data["model"]: data["side"] for event, data in events if event == "side"}
    assert len(events) == len(tokens) + len(outcomes)
    assert outcomes == {model: done[name] for model, name in sides.items()}
    for model in {data["model"] for _, data in tokens}:
        text = "".join(data["text"] for _, data in tokens if data["model"] == model)
        finished = done[sides[model]] if sides else done
        expected = whole[sides[model]] if sides else whole
        assert text == finished["answer"] == expected["answer"]


BAD_BODIES: list[tuple[Any, str]] = [
    ({}, "question"),
    ({"question": ""}, "question"),
    ({"question": " \n\t "}, "question"),
    ({"question": 7}, "question"),
    ({"question": ["a"]}, "question"),
    ({"question": None}, "question"),
    ({"question": "x" * 4001}, "question"),
    ({"question": QUESTION, "max_new_tokens": 0}, "max_new_tokens"),
    ({"question": QUESTION, "max_new_tokens": 100_000}, "max_new_tokens"),
    ({"question": QUESTION, "max_new_tokens": "7"}, "max_new_tokens"),
    ({"question": QUESTION, "max_new_tokens": 1.5}, "max_new_tokens"),
    ({"question": QUESTION, "temperature": -1}, "temperature"),
    ({"question": QUESTION, "temperature": "hot"}, "temperature"),
    ({"question": QUESTION, "top_p": 0}, "top_p"),
    ({"question": QUESTION, "top_k": -1}, "top_k"),
    ({"question": QUESTION, "colour": "red"}, "colour"),
    ([], "body"),
    ("hello", "body"),
]


@pytest.mark.parametrize(("body", "field"), BAD_BODIES)
@pytest.mark.parametrize("path", ["/answer", "/compare"])
def test_bad_bodies_name_the_field(server: Server, path: str, body: Any, field: str) -> None:
    response = _post(server, path, body)
    assert response.status_code == 422
    assert response.headers["content-type"] == "application/problem+json"
    problem = response.json()
    assert problem["status"] == 422
    assert problem["title"]
    assert [error["field"] for error in problem["errors"]] == [field]
    assert field in problem["detail"]


def test_unknown_model_is_named(server: Server) -> None:
    response = _post(server, "/answer", {"question": QUESTION, "model": "gpt-5"})
    assert response.json()["errors"][0]["field"] == "model"


@pytest.mark.parametrize(
    ("content", "status"),
    [
        (b"{", 400),
        (b"", 422),
        (b'{"question": "\\ud800"}', 422),
        (b'{"question": NaN}', 422),
        (b"\xff\xfe", 400),
    ],
)
def test_malformed_bodies(server: Server, content: bytes, status: int) -> None:
    response = httpx.post(
        f"{server.url}/answer", content=content, headers={"Content-Type": "application/json"}
    )
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"


def test_a_megabyte_is_refused_before_it_is_read(server: Server) -> None:
    response = _post(server, "/answer", {"question": "x" * 1_000_000})
    assert response.status_code == 413
    assert response.headers["content-type"] == "application/problem+json"


def test_a_prompt_beyond_the_context_is_refused_with_counts(server: Server) -> None:
    response = _post(server, "/answer", {"question": "zq " * 500})
    assert response.status_code == 413
    assert "tokens" in response.json()["detail"]
    stream = _post(server, "/answer", {"question": "zq " * 500, "stream": True})
    assert stream.status_code == 413


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/answer", 405), ("POST", "/healthz", 405), ("GET", "/nowhere", 404)],
)
def test_unknown_routes_and_methods(server: Server, method: str, path: str, status: int) -> None:
    response = httpx.request(method, f"{server.url}{path}")
    assert response.status_code == status
    assert response.headers["content-type"] == "application/problem+json"
    assert response.json()["status"] == status


def test_health_and_info(server: Server) -> None:
    assert httpx.get(f"{server.url}/healthz").json() == {"status": "alive"}
    assert httpx.get(f"{server.url}/readyz").json() == {"status": "ready"}
    info = httpx.get(f"{server.url}/info").json()
    assert [model["name"] for model in info["models"]] == ["fine-tuned", "base"]
    assert info["prompt"] == "<question>{question}<answer>"
    assert info["stop"] == "<end>"
    assert info["limits"]["default_new_tokens"] == 20
    assert httpx.get(f"{server.url}/docs").status_code == 200
    paths = httpx.get(f"{server.url}/openapi.json").json()["paths"]
    assert {"/answer", "/compare", "/healthz", "/readyz", "/info"} <= set(paths)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("path", ["/answer", "/compare"])
def test_clients_that_leave_free_their_places(server: Server, path: str, stream: bool) -> None:
    body = json.dumps({"question": QUESTION, "max_new_tokens": 1000, "stream": stream})
    request = (
        f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n\r\n{body}"
    )
    for _ in range(50):  # 200 over the four cases
        with socket.create_connection(("127.0.0.1", server.port), timeout=10) as client:
            client.sendall(request.encode())
            time.sleep(0.01)
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        running = httpx.get(f"{server.url}/info").json()["in_flight"]
        if not any(running.values()):
            return
        time.sleep(0.05)
    raise AssertionError(f"places still taken: {running}")


@pytest.mark.long
async def test_overload_is_refused_and_nothing_is_lost(server: Server) -> None:
    async with httpx.AsyncClient(
        base_url=server.url, timeout=120, limits=httpx.Limits(max_connections=None)
    ) as client:
        body = {"question": QUESTION, "max_new_tokens": 40}
        replies = await asyncio.gather(*(client.post("/answer", json=body) for _ in range(400)))
        answers = {reply.json()["answer"] for reply in replies if reply.status_code == 200}
        refused = [reply for reply in replies if reply.status_code == 429]
        assert len(answers) == 1, "the same question has the same answer, however full the batch"
        assert refused, "the queue has an end"
        assert {reply.status_code for reply in replies} == {200, 429}
        assert all(int(reply.headers["Retry-After"]) >= 1 for reply in refused)
        assert refused[0].headers["content-type"] == "application/problem+json"
        assert (await client.post("/answer", json=body)).status_code == 200
        info = (await client.get("/info")).json()
        assert set(info["in_flight"].values()) == {0}
