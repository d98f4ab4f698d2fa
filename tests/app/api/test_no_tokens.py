"""Text that a tokenizer turns into no tokens, on a real server: refused by its field, or no score.

The tokenizer drops white space and punctuation, and the format has no words of its own.
"""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.app.server_process import Server
from tests.conftest import edit_json

# White space alone is refused as blank wherever it is a question.
DROPPED = ["?!", "\u201c\u2026\u201d", "-- \u3000 --"]
BLANK = [" ", "\n\t", "\u3000", *DROPPED]


def drop_all_but_words(directory: Path) -> None:
    """Have a tokenizer take words and nothing else, as its own pre-tokenizer says."""
    edit_json(directory / "tokenizer_config.json", tokenizer_class="PreTrainedTokenizerFast")
    words = {
        "type": "Split", "pattern": {"Regex": r"\W+"}, "behavior": "Removed", "invert": False,
    }  # fmt: skip
    letters = {
        "type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": False,
    }  # fmt: skip
    edit_json(
        directory / "tokenizer.json",
        pre_tokenizer={"type": "Sequence", "pretokenizers": [words, letters]},
    )


@pytest.fixture(scope="module")
def url(pair: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    models = tmp_path_factory.mktemp("dropping")
    for name in ("fine-tuned", "base"):
        shutil.copytree(pair / name, models / name)
        drop_all_but_words(models / name)
    (models / "fine-tuned" / "chat_template.jinja").write_text("{{ messages[0]['content'] }}")
    server = Server(
        MEDQA_FINE_TUNED_MODEL=str(models / "fine-tuned"),
        MEDQA_BASE_MODEL=str(models / "base"),
        MEDQA_DEFAULT_NEW_TOKENS="5",
    )
    try:
        server.wait_until_ready(300)
        yield server.url
        assert server.process.poll() is None
        assert "Traceback" not in server.output()
    finally:
        server.stop()


def post(url: str, path: str, **body: Any) -> httpx.Response:
    return httpx.post(f"{url}{path}", json=body, timeout=120)


def still_answers(url: str) -> None:
    for model in ("fine-tuned", "base"):
        assert post(url, "/answer", question="What is asthma?", model=model).status_code == 200


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("text", BLANK)
def test_a_prompt_is_a_400_that_names_it(url: str, text: str, stream: bool) -> None:
    for model in ("fine-tuned", "base"):
        reply = post(url, "/v1/completions", model=model, prompt=text, stream=stream)
        assert reply.status_code == 400
        error = reply.json()["error"]
        assert (error["param"], error["type"]) == ("prompt", "invalid_request_error")
        assert f"becomes no tokens for the model '{model}'" in error["message"]
    still_answers(url)


@pytest.mark.parametrize("text", DROPPED)
def test_a_question_is_refused_by_the_field_of_its_route(url: str, text: str) -> None:
    for path in ("/answer", "/compare"):
        reply = post(url, path, question=text)
        assert reply.status_code == 422
        assert [each["field"] for each in reply.json()["errors"]] == ["question"]
    asked = [{"role": "user", "content": text}]
    reply = post(url, "/v1/chat/completions", model="base", messages=asked)
    assert reply.status_code == 400
    assert reply.json()["error"]["param"] == "messages"
    still_answers(url)


@pytest.mark.parametrize("text", DROPPED)
def test_a_reference_and_a_stop_text_score_and_stop_nothing(url: str, text: str) -> None:
    whole = post(url, "/compare", question="What is asthma?", reference="A disease.").json()
    reply = post(url, "/compare", question="What is asthma?", reference=text)
    assert reply.status_code == 200
    for side in ("fine_tuned", "base"):
        assert reply.json()[side]["scores"] == {
            "rouge_l": 0.0, "token_f1": 0.0, "bits_per_byte": None,
        }  # fmt: skip
        assert whole[side]["scores"]["bits_per_byte"] > 0
    asked = {"model": "base", "prompt": "What is asthma", "max_tokens": 5}
    unstopped = post(url, "/v1/completions", **asked).json()["choices"][0]["text"]
    stopped = post(url, "/v1/completions", **asked, stop=[text]).json()["choices"][0]["text"]
    assert stopped == unstopped.split(text)[0]
    still_answers(url)
