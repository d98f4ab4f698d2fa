"""Drawn answers that can be repeated, and how likely each token was: on our routes and OpenAI's."""

import math
from typing import Any

import httpx
import openai
import pytest
from openai.types.chat import ChatCompletionMessageParam

from tests.app.server_process import Server

QUESTION = "What is asthma?"
ASK: list[ChatCompletionMessageParam] = [{"role": "user", "content": QUESTION}]
DRAWN = {"question": QUESTION, "temperature": 1.0, "max_new_tokens": 12}


def _post(server: Server, path: str, **body: Any) -> dict[str, Any]:
    response = httpx.post(f"{server.url}{path}", json=DRAWN | body, timeout=60)
    assert response.status_code == 200, response.text
    parsed: dict[str, Any] = response.json()
    return parsed


def test_a_seed_makes_a_drawn_answer_the_same(server: Server, client: openai.OpenAI) -> None:
    first, again, other = (_post(server, "/answer", seed=seed) for seed in (7, 7, 8))
    assert first["answer"] == again["answer"] != other["answer"]
    assert first["decoding"]["seed"] == 7
    both = _post(server, "/compare", seed=7)
    assert both["fine_tuned"]["answer"] == first["answer"]
    reply = client.chat.completions.create(
        model="fine-tuned", messages=ASK, temperature=1.0, max_tokens=12, seed=7
    )
    assert reply.choices[0].message.content == first["answer"]


def test_a_drawn_answer_tells_its_seed_and_a_greedy_one_has_none(server: Server) -> None:
    drawn = _post(server, "/answer")
    repeated = _post(server, "/answer", seed=drawn["decoding"]["seed"])
    assert repeated["answer"] == drawn["answer"]
    assert "seed" not in _post(server, "/answer", temperature=0, seed=None)["decoding"]


def test_both_sides_of_a_comparison_are_drawn_by_one_seed(server: Server) -> None:
    drawn = _post(server, "/compare")
    seed = drawn["base"]["decoding"]["seed"]
    assert drawn["fine_tuned"]["decoding"]["seed"] == seed
    repeated = _post(server, "/compare", seed=seed)
    for side in ("fine_tuned", "base"):
        assert repeated[side]["answer"] == drawn[side]["answer"]


@pytest.mark.parametrize("fields", [{"seed": 2**63}, {"seed": 0.5}, {"logprobs": 21}])
def test_what_is_no_seed_or_too_much_is_refused(server: Server, fields: dict[str, Any]) -> None:
    response = httpx.post(f"{server.url}/answer", json=DRAWN | fields, timeout=60)
    assert response.status_code == 422
    assert response.json()["errors"][0]["field"] == next(iter(fields))


def test_each_token_of_an_answer_has_its_likelihood(server: Server) -> None:
    body = _post(server, "/answer", temperature=0, logprobs=3)
    assert len(body["logprobs"]) == body["usage"]["completion_tokens"]
    assert "".join(token["text"] for token in body["logprobs"]).startswith(body["answer"])
    for token in body["logprobs"]:
        assert token["top"][0] == {"text": token["text"], "logprob": token["logprob"]}
        assert sum(math.exp(each["logprob"]) for each in token["top"]) <= 1
        assert len(token["top"]) == 3
    assert "logprobs" not in _post(server, "/answer")
    both = _post(server, "/compare", logprobs=0)
    assert all(token["top"] == [] for token in both["base"]["logprobs"])


def test_openais_clients_get_them_in_openais_shapes(client: openai.OpenAI) -> None:
    chat = client.chat.completions.create(
        model="base", messages=ASK, max_tokens=5, logprobs=True, top_logprobs=2
    )
    told = chat.choices[0].logprobs
    assert told is not None
    assert told.content is not None
    assert len(told.content) == 5
    for token in told.content:
        assert token.top_logprobs[0].token == token.token
        if token.bytes is not None:
            assert bytes(token.bytes).decode() == token.token
    whole = client.completions.create(model="base", prompt="Asthma", max_tokens=5, logprobs=2)
    lists = whole.choices[0].logprobs
    assert lists is not None
    assert lists.tokens is not None
    assert "".join(lists.tokens) == whole.choices[0].text
    assert lists.text_offset is not None
    assert lists.text_offset[0] == 0
    assert lists.top_logprobs is not None
    assert all(len(each) <= 2 for each in lists.top_logprobs)
    unasked = client.completions.create(model="base", prompt="Asthma", max_tokens=5)
    assert unasked.choices[0].logprobs is None


def test_a_streams_last_chunk_has_them(client: openai.OpenAI) -> None:
    chunks = list(
        client.chat.completions.create(
            model="base", messages=ASK, max_tokens=5, logprobs=True, stream=True
        )
    )
    told = [chunk.choices[0].logprobs for chunk in chunks]
    assert told[:-1] == [None] * (len(chunks) - 1)
    assert told[-1] is not None
    assert len(told[-1].content or ()) == 5


def test_what_was_guessed_is_told(server: Server) -> None:
    _post(server, "/answer", model="base", temperature=0, max_new_tokens=100)
    for model in httpx.get(f"{server.url}/info").json()["models"]:
        assert 0 <= model["accepted_tokens"] <= model["drafted_tokens"]
        lines = httpx.get(f"{server.url}/metrics").text
        label = f'{{model="{model["name"]}"}}'
        assert f"medqa_drafted_tokens_total{label} {float(model['drafted_tokens'])}" in lines
