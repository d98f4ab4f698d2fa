"""What OpenAI's clients may ask for: what is honoured passes, everything else is named."""

from typing import Any

import httpx
import openai
import pytest
from openai.types.chat import ChatCompletionMessageParam

from tests.app.server_process import Server

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
        {"top_logprobs": 21, "logprobs": True},
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


_NULLS = [
    *("audio", "best_of", "frequency_penalty", "function_call", "functions", "logit_bias"),
    *("logprobs", "max_completion_tokens", "max_tokens", "metadata", "modalities", "moderation"),
    *("n", "parallel_tool_calls", "prediction", "presence_penalty", "prompt_cache_key"),
    *("reasoning_effort", "response_format", "safety_identifier", "seed", "service_tier", "stop"),
    *("store", "stream", "stream_options", "suffix", "temperature", "tool_choice", "tools"),
    *("top_k", "top_logprobs", "top_p", "user", "verbosity", "web_search_options", "yet_to_come"),
]


def _ask(client: openai.OpenAI, path: str = "/chat/completions", **fields: Any) -> Any:
    given = {"prompt": "x"} if path == "/completions" else {"messages": ASK}
    return client.post(path, body={"model": "base"} | given | fields, cast_to=object)


@pytest.mark.parametrize("path", ["/chat/completions", "/completions"])
def test_null_of_any_field_is_as_good_as_left_out(client: openai.OpenAI, path: str) -> None:
    plain = _ask(client, path)
    assert _ask(client, path, **dict.fromkeys(_NULLS))["choices"] == plain["choices"]
    for needed in ("model", "prompt" if path == "/completions" else "messages"):
        with pytest.raises(openai.BadRequestError) as refused:
            _ask(client, path, **{needed: None})
        assert refused.value.param == needed


@pytest.mark.parametrize(
    "fields",
    [
        {"safety_identifier": "someone", "prompt_cache_key": "a", "user": "b"},
        {"prompt_cache_retention": "24h", "verbosity": "medium", "tools": [], "metadata": {}},
        {"stream_options": {"include_obfuscation": False, "include_usage": None}},
    ],
)
def test_what_no_answer_depends_on_is_taken(client: openai.OpenAI, fields: dict[str, Any]) -> None:
    assert _ask(client, **fields)["choices"] == _ask(client)["choices"]


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"tools": [{"type": "function", "function": {"name": "f"}}]}, "`tools`"),
        ({"audio": {"voice": "alloy", "format": "wav"}}, "`audio`"),
        ({"web_search_options": {}}, "`web_search_options`"),
        ({"prediction": {"type": "content", "content": "x"}}, "`prediction`"),
        ({"yet_to_come": 1}, "`yet_to_come`"),
        ({"n": 2}, "`n` other than 1"),
        ({"verbosity": "high"}, "`verbosity` other than 'medium'"),
        ({"response_format": {"type": "json_object"}}, "`response_format.type` other than 'text'"),
        (
            {"stream_options": {"include_obfuscation": True}},
            "`stream_options.include_obfuscation` other than",
        ),
    ],
)
def test_a_refusal_names_what_is_not_served(
    client: openai.OpenAI, fields: dict[str, Any], said: str
) -> None:
    with pytest.raises(openai.BadRequestError) as refused:
        _ask(client, **fields)
    assert f"this service does not take {said}" in refused.value.message
    assert "Input should" not in refused.value.message
    assert "permitted" not in refused.value.message


_CALL = {"id": "1", "type": "function", "function": {"name": "look_up", "arguments": "{}"}}
_IMAGE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}}
_EARLIER: dict[str, list[dict[str, Any]]] = {
    "a tool's call and its result": [
        {"role": "user", "content": "Look it up."},
        {"role": "assistant", "content": None, "tool_calls": [_CALL]},
        {"role": "tool", "tool_call_id": "1", "content": "A disease."},
    ],
    "an image": [
        {"role": "user", "content": [{"type": "text", "text": "What is this?"}, _IMAGE]},
        {"role": "assistant", "content": "A lung."},
    ],
    "a refusal": [
        {"role": "user", "content": "?"},
        {"role": "assistant", "content": [{"type": "refusal", "refusal": "No."}]},
        {"role": "assistant", "content": None, "refusal": "No.", "audio": {"id": "a"}},
    ],
    "a function of old": [
        {"role": "assistant", "function_call": {"name": "f", "arguments": ""}},
        {"role": "function", "name": "f", "content": "1"},
    ],
    "a file and a sound": [
        {"role": "user", "content": [{"type": "file", "file": {"file_id": "f"}}]},
        {"role": "user", "name": "x", "content": [{"type": "input_audio", "input_audio": {}}]},
        {"role": "developer", "content": ""},
    ],
}


@pytest.mark.parametrize("held", _EARLIER)
def test_earlier_turns_may_hold_anything(client: openai.OpenAI, held: str) -> None:
    alone = _ask(client)["choices"]
    assert _ask(client, messages=[*_EARLIER[held], *ASK])["choices"] == alone
    after = {"role": "assistant", "content": None, "tool_calls": [_CALL]}
    assert _ask(client, messages=[*_EARLIER[held], *ASK, after])["choices"] == alone


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ([{"type": "text", "text": QUESTION}, _IMAGE], "does not take `image_url` parts"),
        ([{"type": "input_audio", "input_audio": {}}], "does not take `input_audio` parts"),
        ([{"type": "text"}], "has no text"),
        ([7], "does not take `int` parts"),
        ({"type": "text", "text": 7}, "has no text"),
        ([], "not blank"),
        (None, "not blank"),
    ],
)
def test_a_question_that_is_no_text_is_refused(
    client: openai.OpenAI, content: Any, said: str
) -> None:
    with pytest.raises(openai.BadRequestError) as refused:
        _ask(client, messages=[*ASK, {"role": "user", "content": content}])
    assert refused.value.param == "messages"
    assert said in refused.value.message


def test_a_question_may_come_in_parts(client: openai.OpenAI) -> None:
    whole = _ask(client, messages=[{"role": "user", "content": "What is\nasthma?"}])["choices"]
    for parts in (
        [{"type": "text", "text": "What is"}, {"type": "text", "text": "asthma?"}],
        [{"type": "text", "text": "What is", "cache_control": {}}, "asthma?"],
    ):
        assert _ask(client, messages=[{"role": "user", "content": parts}])["choices"] == whole
