"""Failures under /v1 as OpenAI's own client meets them: the error, its status and its shape."""

import httpx
import openai
import pytest
from openai.types.chat import ChatCompletionMessageParam

from app.errors import GenerationFailed, QueueFull
from tests.app.conftest import Faked
from tests.app.server_process import Server

ASK: list[ChatCompletionMessageParam] = [{"role": "user", "content": "What is asthma?"}]


@pytest.mark.parametrize("stream", [False, True])
def test_a_prompt_beyond_the_context_is_refused_with_counts(
    client: openai.OpenAI, stream: bool
) -> None:
    with pytest.raises(openai.APIStatusError, match="context holds 128") as refused:
        client.completions.create(model="base", prompt="zq " * 500, stream=stream)
    assert (refused.value.status_code, refused.value.code) == (413, "context_length_exceeded")


@pytest.mark.parametrize(
    ("method", "path", "content", "status"),
    [
        ("POST", "/v1/completions", b"{", 400),
        ("POST", "/v1/completions", b'{"prompt": "\\ud800", "model": "base"}', 400),
        ("POST", "/v1/completions", b"x" * 1_000_000, 413),
        ("GET", "/v1/completions", b"", 405),
        ("GET", "/v1/nowhere", b"", 404),
    ],
)
def test_every_failure_has_the_shape_of_openai(
    server: Server, method: str, path: str, content: bytes, status: int
) -> None:
    headers = {"Content-Type": "application/json"}
    response = httpx.request(method, f"{server.url}{path}", content=content, headers=headers)
    assert (response.status_code, response.headers["content-type"]) == (status, "application/json")
    assert set(response.json()) == {"error"}
    assert set(response.json()["error"]) == {"message", "type", "param", "code"}


@pytest.mark.parametrize("stream", [False, True])
def test_a_full_queue_is_a_rate_limit(faked: Faked, stream: bool) -> None:
    faked.base.ids, faked.base.error = [], QueueFull("All places are taken.", 7)
    with pytest.raises(openai.RateLimitError, match="All places") as refused:
        faked.client.chat.completions.create(model="base", messages=ASK, stream=stream)
    assert refused.value.response.headers["retry-after"] == "7"
    assert refused.value.type == "rate_limit_error"


def test_a_failed_answer_is_a_server_error(faked: Faked) -> None:
    faked.base.error = GenerationFailed("It broke.")
    with pytest.raises(openai.InternalServerError, match="It broke") as failed:
        faked.client.completions.create(model="base", prompt="x", max_tokens=100)
    assert (failed.value.status_code, failed.value.type) == (503, "server_error")


@pytest.mark.parametrize(
    ("error", "message"),
    [(GenerationFailed("It broke."), "It broke."), (RuntimeError("secret"), "unexpectedly")],
)
def test_a_failure_within_a_stream_is_raised(faked: Faked, error: Exception, message: str) -> None:
    faked.base.error = error
    chunks = faked.client.completions.create(model="base", prompt="x", max_tokens=100, stream=True)
    assert next(chunks).choices[0].text
    with pytest.raises(openai.APIError, match=message) as failed:
        list(chunks)
    assert failed.value.type == "server_error"
