"""Clients that generators make of the OpenAPI document, calling the running service.

openapi-python-client and openapi-typescript stand for the rest: what they cannot name or type, or
type wrongly, nobody's client has.
"""

import hashlib
import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest

from tests.app.server_process import Server

KEY = "mq-generated"
QUESTION = "What is asthma?"
_LIMIT = 30  # more than the tests ask before the one that goes beyond it
_TYPESCRIPT = ["openapi-typescript@7.13.0", "openapi-fetch@0.17.0", "typescript@5.9.3"]
_TYPED_CLIENT = Path(__file__).with_name("typed_client.mts")


@pytest.fixture(scope="module")
def guarded(pair: Path) -> Iterator[Server]:
    """A service with a key, a rate limit and short answers."""
    running = Server(
        MEDQA_FINE_TUNED_MODEL=str(pair / "fine-tuned"),
        MEDQA_BASE_MODEL=str(pair / "base"),
        MEDQA_DEFAULT_NEW_TOKENS="5",
        MEDQA_API_KEYS=hashlib.sha256(KEY.encode()).hexdigest(),
        MEDQA_RATE_LIMIT=f"{_LIMIT}/hour",
    )
    try:
        running.wait_until_ready()
        yield running
    finally:
        running.stop()


@pytest.fixture(scope="module")
def document(guarded: Server, tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("document") / "openapi.json"
    file.write_bytes(httpx.get(f"{guarded.url}/openapi.json").content)
    return file


@pytest.fixture(scope="module")
def generated(
    guarded: Server, document: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Any]:
    """The modules of a generated package, and clients of it with and without the key."""
    directory = tmp_path_factory.mktemp("generated")
    config = directory / "config.yaml"
    config.write_text("post_hooks: []\n")
    made = subprocess.run(
        [
            *(sys.executable, "-m", "openapi_python_client", "generate", "--fail-on-warning"),
            *("--path", str(document), "--config", str(config), "--meta", "none"),
            *("--output-path", str(directory / "medqa_client")),
        ],
        capture_output=True,
        text=True,
    )
    assert made.returncode == 0, made.stdout + made.stderr
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(directory)
        client = import_module("medqa_client")
        api = {
            name: import_module(f"medqa_client.api.{module}.{name}")
            for module, names in {
                "answers": ["answer", "compare", "find_references"],
                "open_ai": ["create_chat_completion", "list_models", "retrieve_model"],
                "system": ["info", "readyz"],
            }.items()
            for name in names
        }
        with (
            client.AuthenticatedClient(guarded.url, token=KEY) as keyed,
            client.Client(guarded.url) as keyless,
        ):
            yield SimpleNamespace(
                models=import_module("medqa_client.models"), keyed=keyed, keyless=keyless, **api
            )
    for name in [name for name in sys.modules if name.partition(".")[0] == "medqa_client"]:
        del sys.modules[name]


def test_answers_and_comparisons_are_objects(generated: Any) -> None:
    models = generated.models
    asked = models.AnswerRequest(QUESTION, model=models.AnswerRequestModel.BASE)
    assert asked.to_dict() == {"question": QUESTION, "model": "base"}
    answer = generated.answer.sync(client=generated.keyed, body=asked)
    assert isinstance(answer, models.AnswerResponse)
    assert answer.model == "base"
    assert answer.usage.completion_tokens == 5
    assert answer.finish_reason is models.AnswerResponseFinishReason.LENGTH

    body = models.CompareRequest(QUESTION, reference="A disease of the airways.")
    compared = generated.compare.sync(client=generated.keyed, body=body)
    assert isinstance(compared, models.CompareResponse)
    for side in (compared.fine_tuned, compared.base):
        assert isinstance(side, models.SideAnswer)
        assert 0 <= side.scores.rouge_l <= 1

    urgent = models.AnswerRequest("I want to kill myself")
    [notice] = generated.answer.sync(client=generated.keyed, body=urgent).notices
    assert isinstance(notice, models.NoticeBody)
    assert notice.contact


def test_what_is_served_is_objects(generated: Any) -> None:
    models = generated.models
    info = generated.info.sync(client=generated.keyed)
    assert isinstance(info, models.Info)
    assert [model.name for model in info.models] == ["fine-tuned", "base"]
    assert isinstance(generated.readyz.sync(client=generated.keyless), models.Status)
    listed = generated.list_models.sync(client=generated.keyed)
    assert [model.id for model in listed.data] == ["fine-tuned", "base"]
    chat = models.ChatRequest(
        model="fine-tuned",
        messages=[models.Message(models.MessageRole.USER, QUESTION)],
    )
    completion = generated.create_chat_completion.sync(client=generated.keyed, body=chat)
    assert isinstance(completion, models.ChatCompletion)
    assert isinstance(completion.usage, models.CompletionUsage)


def test_a_streams_events_are_objects(generated: Any) -> None:
    """Generated functions read one body; the client under them streams."""
    models = generated.models
    request = generated.answer._get_kwargs(body=models.AnswerRequest(QUESTION, stream=True))
    texts: list[str] = []
    name = ""
    with generated.keyed.get_httpx_client().stream(**request) as response:
        for line in response.iter_lines():
            field, _, value = line.partition(": ")
            if field == "event":
                name = value
            elif field == "data" and name == "token":
                texts.append(models.TokenBody.from_dict(json.loads(value)).text)
            elif field == "data":
                done = models.AnswerResponse.from_dict(json.loads(value))
    assert done.answer == "".join(texts).strip()


def test_failures_are_objects(generated: Any) -> None:
    models = generated.models
    asked = models.AnswerRequest(QUESTION)
    refused = generated.answer.sync(client=generated.keyless, body=asked)
    assert isinstance(refused, models.Problem)
    assert refused.status == 401
    refused = generated.list_models.sync(client=generated.keyless)
    assert isinstance(refused, models.ErrorResponse)
    assert "API key" in refused.error.message

    asked.max_new_tokens = 1_000_000
    invalid = generated.answer.sync(client=generated.keyed, body=asked)
    assert isinstance(invalid, models.Problem)
    [wrong] = invalid.errors
    assert isinstance(wrong, models.FieldError)
    assert wrong.field == "max_new_tokens"

    missing = generated.find_references.sync(client=generated.keyed, q=QUESTION)
    assert isinstance(missing, models.Problem)
    assert missing.status == 404
    unknown = generated.retrieve_model.sync("gpt-9", client=generated.keyed)
    assert isinstance(unknown, models.ErrorResponse)
    assert unknown.error.code == "model_not_found"


@pytest.mark.skipif(shutil.which("npm") is None, reason="needs node and npm")
def test_typescript_knows_the_types(guarded: Server, document: Path, tmp_path: Path) -> None:
    def run(*command: str) -> str:
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    (tmp_path / "package.json").write_text('{"private": true, "type": "module"}')
    run("npm", "install", "--silent", "--no-audit", "--no-fund", "--prefer-offline", *_TYPESCRIPT)
    run("npx", "openapi-typescript", str(document), "--output", "medqa.d.ts")
    shutil.copy(_TYPED_CLIENT, tmp_path)
    run("npx", "tsc", "--strict", "--module", "nodenext", "--target", "es2022", "--lib",
        "es2022,dom,dom.iterable", _TYPED_CLIENT.name)  # fmt: skip
    said = json.loads(run("node", "typed_client.mjs", guarded.url, KEY))
    assert said["model"] == "fine-tuned"
    assert said["sides"] == ["fine_tuned", "base"]
    assert said["tokens"] > 0
    assert said["finish"] == "length"
    assert said["wrong"] == ["max_new_tokens"]
    assert said["refused"] == [401, "invalid_request_error"]


def test_beyond_the_limit_a_problem_says_when(generated: Any) -> None:
    asked = generated.models.AnswerRequest(QUESTION, max_new_tokens=1)
    for _ in range(_LIMIT + 1):
        limited = generated.answer.sync(client=generated.keyed, body=asked)
    assert isinstance(limited, generated.models.Problem)
    assert limited.status == 429
    assert limited.retry_after_seconds > 0
    body = generated.models.ChatRequest(model="base", messages=[])
    limited = generated.create_chat_completion.sync(client=generated.keyed, body=body)
    assert isinstance(limited, generated.models.ErrorResponse)
    assert limited.error.type_ == "rate_limit_error"
