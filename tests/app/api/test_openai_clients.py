"""OpenAI's own clients for Python and for Node, in their default settings, against the service."""

import json
import shutil
import subprocess
from pathlib import Path

import openai
import pytest
from openai.types.chat import ChatCompletionMessageParam

from tests.app.server_process import Server

_NODE_CLIENT = Path(__file__).with_name("openai_client.mjs")
_PACKAGE = "openai@7.55.0"
ASK: ChatCompletionMessageParam = {"role": "user", "content": "What is asthma?"}


def test_python_goes_on_with_a_conversation_as_it_was_sent(client: openai.OpenAI) -> None:
    first = client.chat.completions.create(model="base", messages=[ASK])
    earlier = first.choices[0].message.model_dump()  # every field, nulls included
    tools = {"role": "assistant", "content": None, "tool_calls": [{"id": "1"}]}
    messages = [ASK, earlier, tools, {"role": "tool", "tool_call_id": "1", "content": ""}, ASK]
    again = client.chat.completions.create(model="base", messages=messages)  # type: ignore[arg-type]  # dumped
    assert again.choices[0].message.content == first.choices[0].message.content
    with client.chat.completions.stream(model="base", messages=[ASK]) as stream:
        streamed = stream.get_final_completion()
    assert streamed.choices[0].message.content == first.choices[0].message.content


def test_python_is_told_which_api_there_is(client: openai.OpenAI, server: Server) -> None:
    with pytest.raises(openai.NotFoundError, match=r"no Responses API.*chat\.completions"):
        client.responses.create(model="base", input="What is asthma?")
    with pytest.raises(openai.NotFoundError, match="'/v1/models' was meant"):
        client.with_options(base_url=f"{server.url}/v1/v1").models.list()
    with pytest.raises(openai.NotFoundError, match="base URL must end in it"):
        client.with_options(base_url=server.url).chat.completions.create(
            model="base", messages=[ASK]
        )


@pytest.mark.skipif(shutil.which("npm") is None, reason="needs node and npm")
def test_node(server: Server, tmp_path: Path) -> None:
    def run(*command: str) -> str:
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    (tmp_path / "package.json").write_text('{"private": true}')
    run("npm", "install", "--silent", "--no-audit", "--no-fund", "--prefer-offline", _PACKAGE)
    shutil.copy(_NODE_CLIENT, tmp_path)
    said = json.loads(run("node", _NODE_CLIENT.name, f"{server.url}/v1"))
    assert said["models"] == ["fine-tuned", "base"]
    assert said["chat"]
    assert said["chat"] == said["streamed"] == said["helped"] == said["continued"]
    assert said["usage"]["total_tokens"] > said["usage"]["completion_tokens"] > 0
    assert said["completed"] == 3
    assert said["tools"]["kind"] == "BadRequestError"
    assert "this service does not take `tools`" in said["tools"]["said"]
    assert said["unknown"]["kind"] == "NotFoundError"
    assert "/v1/chat/completions" in said["responses"]["said"]
    assert "'/v1/models' was meant" in said["doubled"]["said"]
