"""What OpenAI's clients may ask for: what is honoured passes, everything else is named."""

from typing import Any

import httpx
import openai
import pytest
from openai.types.chat import ChatCompletionMessageParam

from tests.app.conftest import Server

QUESTION = "What is asthma?"
ASK: list[ChatCompletionMessageParam] = [{"role": "user", "content": QUESTION}]


def test_values_that_ask_for_nothing_are_accepted(client: openai.OpenAI, server: Server) -> None:
    reply = client.chat.completions.create(
        model="base",
        messages=ASK,
        n=1,
        temperature=0,
        top_p=1,
        presence_penalty=0,
        frequency_penalty=0.0,
        logit_bias=None,
        logprobs=False,
        tools=[],
        seed=None,
        stop=None,
        user="someone",
        response_format={"type": "text"},
        stream=False,
    )
    body = {"question": QUESTION, "model": "base"}
    answer = httpx.post(f"{server.url}/answer", json=body, timeout=60).json()["answer"]
    assert reply.choices[0].message.content == answer
    client.completions.create(
        model="base",
        prompt="x",
        best_of=1,
        echo=False,
        logprobs=None,
        suffix=None,
        temperature=None,
    )


@pytest.mark.parametrize(
    "fields",
    [
        {"n": 2},
        {"top_logprobs": 2},  # without logprobs
        {"logprobs": True, "top_logprobs": 21},
        {"tools": [{"type": "function", "function": {"name": "f"}}]},
        {"response_format": {"type": "json_object"}},
        {"logit_bias": {"50256": -100}},
        {"presence_penalty": 0.5},
        {"frequency_penalty": -1},
        {"seed": 2**63},
        {"seed": "7"},
        {"top_k": 5},
        {"temperature": 2.5},
        {"top_p": 0},
        {"stop": ["a", ""]},
        {"stop": ["a", "b", "c", "d", "e"]},
        {"stop": 7},
        {"max_tokens": 0},
        {"max_tokens": 100_000},
        {"max_completion_tokens": 100_000},
        {"max_tokens": 5, "max_completion_tokens": 5},
        {"messages": []},
        {"messages": [{"role": "system", "content": "Hello"}]},
        {"messages": [{"role": "user", "content": " "}]},
        {"messages": [{"role": "user", "content": "x" * 4001}]},
        {"messages": [{"role": "tool", "content": "x"}]},
        {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": "x"}]}]},
        {"messages": "What is asthma?"},
        {"model": None},
    ],
)
def test_what_chat_cannot_honour_is_refused_by_name(
    client: openai.OpenAI, fields: dict[str, Any]
) -> None:
    with pytest.raises(openai.BadRequestError) as refused:
        client.post("/chat/completions", body={"model": "base", "messages": ASK} | fields,
                    cast_to=object)  # fmt: skip
    name = next(iter(fields))
    assert refused.value.param
    assert refused.value.param.split(".")[0] == name
    assert name in refused.value.message
    assert refused.value.type == "invalid_request_error"


@pytest.mark.parametrize(
    "fields",
    [
        {"best_of": 2},
        {"echo": True},
        {"suffix": "the end"},
        {"logprobs": 21},
        {"max_tokens": 100_000},
        {"max_completion_tokens": 5},
        {"prompt": ""},
        {"prompt": "x" * 4001},
        {"prompt": []},
        {"prompt": ["a", "b"]},
        {"prompt": [1, 2, 3]},
        {"prompt": None},
    ],
)
def test_what_completions_cannot_honour_is_refused_by_name(
    client: openai.OpenAI, fields: dict[str, Any]
) -> None:
    with pytest.raises(openai.BadRequestError) as refused:
        client.post("/completions", body={"model": "base", "prompt": "x"} | fields, cast_to=object)
    assert refused.value.param == next(iter(fields))
