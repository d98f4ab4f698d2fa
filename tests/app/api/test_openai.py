"""The OpenAI surface, as OpenAI's own client sees it, over a real server."""

import time
from typing import Any, cast

import httpx
import openai
import pytest
from openai.types.chat import ChatCompletionMessageParam

from tests.app.conftest import Faked
from tests.app.server_process import Server

QUESTION = "What is asthma?"
ASK: list[ChatCompletionMessageParam] = [{"role": "user", "content": QUESTION}]
MODELS = ["fine-tuned", "base"]


def _answer(server: Server, **fields: Any) -> dict[str, Any]:
    response = httpx.post(f"{server.url}/answer", json={"question": QUESTION} | fields, timeout=60)
    return cast("dict[str, Any]", response.json())


def test_both_models_are_listed(client: openai.OpenAI) -> None:
    listed = client.models.list().data
    assert [model.id for model in listed] == MODELS
    assert {model.owned_by for model in listed} == {"medqa"}
    assert client.models.retrieve("base") == listed[1]
    assert 0 < listed[0].created <= time.time()


def test_an_unknown_model_is_not_found(client: openai.OpenAI) -> None:
    with pytest.raises(openai.NotFoundError, match="'fine-tuned' and 'base'") as retrieved:
        client.models.retrieve("gpt-5")
    with pytest.raises(openai.NotFoundError, match="'fine-tuned' and 'base'"):
        client.completions.create(model="gpt-5", prompt="Asthma")
    with pytest.raises(openai.NotFoundError, match="'gpt-5'"):
        client.chat.completions.create(model="gpt-5", messages=ASK, stream=True)
    assert retrieved.value.code == "model_not_found"


@pytest.mark.parametrize("model", MODELS)
def test_chat_answers_as_answer_does(client: openai.OpenAI, server: Server, model: str) -> None:
    expected = _answer(server, model=model)
    reply = client.chat.completions.create(model=model, messages=ASK)
    assert (reply.object, reply.model) == ("chat.completion", model)
    assert abs(time.time() - reply.created) < 3600
    [choice] = reply.choices
    assert (choice.message.role, choice.message.content) == ("assistant", expected["answer"])
    assert {"stop": "end", "length": "length"}[choice.finish_reason] == expected["finish_reason"]
    assert reply.usage
    assert reply.usage.prompt_tokens == expected["usage"]["prompt_tokens"]
    assert reply.usage.completion_tokens == expected["usage"]["completion_tokens"]
    assert reply.usage.total_tokens == sum(expected["usage"].values())


def test_the_last_user_message_is_the_question(client: openai.OpenAI, server: Server) -> None:
    messages: list[ChatCompletionMessageParam] = [
        {"role": "system", "content": "You are a pirate."},
        {"role": "user", "content": "What is a stroke?"},
        {"role": "assistant", "content": "A disease."},
        {"role": "user", "content": [{"type": "text", "text": QUESTION}]},
    ]
    reply = client.chat.completions.create(model="base", messages=messages)
    assert reply.choices[0].message.content == _answer(server, model="base")["answer"]


@pytest.mark.parametrize("model", MODELS)
def test_chat_streams_the_same_answer_and_usage(client: openai.OpenAI, model: str) -> None:
    whole = client.chat.completions.create(model=model, messages=ASK)
    *chunks, last = client.chat.completions.create(
        model=model, messages=ASK, stream=True, stream_options={"include_usage": True}
    )
    assert (last.choices, last.usage) == ([], whole.usage)
    assert {chunk.object for chunk in chunks} == {"chat.completion.chunk"}
    assert {(chunk.id, chunk.created, chunk.usage) for chunk in chunks} == {
        (last.id, last.created, None)
    }
    assert last.id != whole.id
    choices = [chunk.choices[0] for chunk in chunks]
    assert [choice.delta.role for choice in choices] == ["assistant"] + [None] * (len(chunks) - 1)
    text = "".join(choice.delta.content or "" for choice in choices)
    assert text == whole.choices[0].message.content
    assert [choice.finish_reason for choice in choices] == [None] * (len(chunks) - 1) + [
        whole.choices[0].finish_reason
    ]


def test_a_stream_without_usage_ends_with_the_finish_reason(client: openai.OpenAI) -> None:
    chunks = list(client.chat.completions.create(model="base", messages=ASK, stream=True))
    assert chunks[-1].choices[0].finish_reason
    assert {chunk.usage for chunk in chunks} == {None}


def test_a_stream_on_the_wire(server: Server) -> None:
    body = {"model": "base", "prompt": "Asthma", "stream": True}
    response = httpx.post(f"{server.url}/v1/completions", json=body, timeout=60)
    assert response.headers["content-type"].startswith("text/event-stream")
    events = response.text.removesuffix("\n\n").split("\n\n")
    assert events[-1] == "data: [DONE]"
    assert all(event.startswith("data: {") for event in events[:-1])


@pytest.mark.parametrize("model", MODELS)
def test_completions_stream_the_same_text(client: openai.OpenAI, model: str) -> None:
    whole = client.completions.create(model=model, prompt=["Asthma is"])
    assert whole.object == "text_completion"
    assert whole.usage
    assert whole.usage.completion_tokens <= 16
    *chunks, last = client.completions.create(
        model=model, prompt="Asthma is", stream=True, stream_options={"include_usage": True}
    )
    assert last.usage == whole.usage
    assert "".join(chunk.choices[0].text for chunk in chunks) == whole.choices[0].text
    assert chunks[-1].choices[0].finish_reason == whole.choices[0].finish_reason


def test_max_tokens_cut_the_text(client: openai.OpenAI) -> None:
    completion = client.completions.create(model="base", prompt="Asthma", max_tokens=3)
    older = client.chat.completions.create(model="base", messages=ASK, max_tokens=3)
    newer = client.chat.completions.create(model="base", messages=ASK, max_completion_tokens=3)
    for reply in (completion, older, newer):
        assert reply.choices[0].finish_reason == "length"
        assert reply.usage
        assert reply.usage.completion_tokens == 3


@pytest.mark.parametrize(
    ("stop", "text"),
    [
        ("and cough", "Wheezing "),
        (["never", "cough", "and"], "Wheezing "),
        (["coughing, then", "ghin"], "Wheezing and cou"),
        (["Wheezing"], ""),
        (["<end>"], "Wheezing and coughing, then "),
        (["andy", "never"], "Wheezing and coughing, then <end> more"),
    ],
)
def test_stop_texts_end_the_text_and_are_never_shown(
    faked: Faked, stop: str | list[str], text: str
) -> None:
    ended = "length" if "more" in text else "stop"
    ask: dict[str, Any] = {"model": "base", "prompt": "x", "max_tokens": 100, "stop": stop}
    [whole] = faked.client.completions.create(**ask).choices
    assert (whole.text, whole.finish_reason) == (text, ended)
    pieces = [chunk.choices[0] for chunk in faked.client.completions.create(**ask, stream=True)]
    assert "".join(piece.text for piece in pieces) == text
    assert pieces[-1].finish_reason == ended


def test_chat_stops_at_its_own_end_and_at_stop_texts(faked: Faked) -> None:
    ask: dict[str, Any] = {"model": "base", "messages": ASK}
    [own] = faked.client.chat.completions.create(**ask).choices
    assert (own.message.content, own.finish_reason) == ("Wheezing and coughing, then ", "stop")
    [given] = faked.client.chat.completions.create(**ask, stop=[","]).choices
    assert (given.message.content, given.finish_reason) == ("Wheezing and coughing", "stop")


def test_the_end_token_is_a_stop(faked: Faked) -> None:
    [choice] = faked.client.completions.create(model="fine-tuned", prompt="x").choices
    assert (choice.text, choice.finish_reason) == ("A disease.", "stop")


@pytest.mark.parametrize("model", MODELS)
def test_a_prompt_is_given_as_it_is_and_typed_markers_are_text(faked: Faked, model: str) -> None:
    prompt = "<question>Is <end> an <answer>? <|endoftext|>"
    usage = faked.client.completions.create(model=model, prompt=prompt).usage
    engine = faked.base if model == "base" else faked.fine_tuned
    given, tokenizer = engine.prompts[-1], engine.checkpoint.tokenizer
    assert tokenizer.decode(given) == prompt
    assert not set(given) & tokenizer.special_ids
    assert usage
    assert usage.prompt_tokens == len(given)


@pytest.mark.parametrize("stream", [False, True])
def test_clients_that_leave_free_their_places(faked: Faked, stream: bool) -> None:
    # Made to its end, the answer would take far longer than this test waits.
    faked.base.ids, faked.base.ends = faked.base.ids[:1] * 1000, [False] * 1000
    faked.base.seconds_per_token = 0.1
    ask: dict[str, Any] = {"model": "base", "prompt": "x", "max_tokens": 1000}
    if stream:
        chunks = faked.client.completions.create(**ask, stream=True)
        next(chunks)
        assert faked.base.in_flight == 1
        chunks.close()
    else:
        with pytest.raises(openai.APITimeoutError):
            faked.client.completions.create(**ask, timeout=0.5)
    assert len(faked.base.prompts) == 2, "the warm-up's, and this one"
    deadline = time.monotonic() + 20
    while faked.base.in_flight:
        assert time.monotonic() < deadline, "the place is still taken"
        time.sleep(0.05)
