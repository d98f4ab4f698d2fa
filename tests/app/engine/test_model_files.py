"""Where models are found, a directory or a hub id, and what is read of how they generate."""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from app.engine.interface import Source
from app.engine.model_files import locate, model_config, no_repeat_ngram_size
from app.engine.tokenizer_files import read_tokenizer
from app.errors import CheckpointError
from tests.app.conftest import ROOT, loaded
from tests.conftest import edit_json

TEXT_FILES = ["config.json", "tokenizer.json", "generation_config.json", "chat_template.jinja"]


@pytest.mark.parametrize(
    ("generation", "config", "size"), [({"no_repeat_ngram_size": 3}, {}, 3), ({}, {}, 0),
    ({"no_repeat_ngram_size": None}, {"no_repeat_ngram_size": 5}, 0),
    (None, {"no_repeat_ngram_size": 5}, 5), (None, {}, 0)],
)  # fmt: skip
def test_the_guard_that_a_model_was_saved_with(
    generation: dict[str, object] | None, config: dict[str, object], size: int, broken: Path
) -> None:
    file = broken / "generation_config.json"
    file.unlink()
    if generation is not None:
        file.write_text(json.dumps(generation))
    edit_json(broken / "config.json", **config)
    assert no_repeat_ngram_size(broken, model_config(broken)) == size


@pytest.mark.parametrize(
    ("generation", "named"),
    [
        ({"temperature": 0.9, "do_sample": True}, ["do_sample", "temperature"]),
        ({"num_beams": 4, "max_length": 60}, ["max_length", "num_beams"]),
        ({"eos_token_id": [3, 4], "min_p": 0.1}, ["eos_token_id", "min_p"]),
        ({"forced_eos_token_id": 3}, ["forced_eos_token_id"]),
        ({"bad_words_ids": [[5]], "suppress_tokens": [6]}, ["bad_words_ids", "suppress_tokens"]),
        ({"penalty_alpha": 0.6, "top_k": 4}, ["penalty_alpha", "top_k"]),
        ({"stop_strings": ["\n"], "top_h": 0.4}, ["stop_strings", "top_h"]),
        ({"temperature": 1.0, "top_k": 50, "do_sample": False, "max_length": 20}, []),
        ({"use_cache": False, "eos_token_id": None, "pad_token_id": 7}, []),
    ],
)  # fmt: skip
@pytest.mark.parametrize("old", [False, True])
def test_what_a_model_says_of_its_answers_and_is_not_used_is_named(
    generation: dict[str, object],
    named: list[str],
    old: bool,
    broken: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """As today's models say it, and as config.json did before there was another file."""
    if old:
        (broken / "generation_config.json").unlink()
    edit_json(broken / ("config.json" if old else "generation_config.json"), **generation)
    loaded(broken)
    said = f"sets {', '.join(named)}, which is not used" in caplog.text
    assert said if named else "not used" not in caplog.text


def test_the_end_token_in_any_form_is_the_tokenizers(
    broken: Path, caplog: pytest.LogCaptureFixture
) -> None:
    end = read_tokenizer(broken).eos_token_id
    for value in (end, [end]):
        edit_json(broken / "generation_config.json", eos_token_id=value)
        loaded(broken)
    assert "not used" not in caplog.text


POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 3\n"


@pytest.mark.parametrize(
    ("file", "content", "said"),
    [
        *((name, POINTER, "it is a Git LFS pointer.*`git lfs pull`") for name in TEXT_FILES),
        *((name, "", "it is empty") for name in TEXT_FILES[:3]),
        (
            "generation_config.json",
            '{"no_repeat_ngram_size": true}',
            "no_repeat_ngram_size is True",
        ),
    ],
)
def test_what_was_not_fetched_is_named(broken: Path, file: str, content: str, said: str) -> None:
    (broken / file).write_text(content)
    with pytest.raises(CheckpointError, match=f"{file} cannot be read: {said}"):
        loaded(broken)


@pytest.mark.parametrize("name", ["/no/such/model", "./models/none", "a/b/c", "../nowhere"])
def test_neither_directory_nor_hub_id(name: str) -> None:
    with pytest.raises(CheckpointError, match="no such model directory"):
        locate(Source(name))


COMMIT = "0123456789abcdef0123456789abcdef01234567"


class Hub:
    """A model hub on loopback that serves one repository at one commit."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.requests: list[str] = []
        hub = self

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *_: object) -> None: ...

            def do_HEAD(self) -> None:
                self._answer(body=False)

            def do_GET(self) -> None:
                self._answer(body=True)

            def _answer(self, *, body: bool) -> None:
                hub.requests.append(self.path)
                status, content, headers = hub.find(self.path.split("?")[0])
                self.send_response(status)
                self.send_header("Content-Length", str(len(content)))
                for name, value in headers.items():
                    self.send_header(name, value)
                self.end_headers()
                if body:
                    self.wfile.write(content)

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def find(self, path: str) -> tuple[int, bytes, dict[str, str]]:
        """Return status, content and headers of a path, as the real hub answers it."""
        files = sorted(self.directory.iterdir())
        api = "/api/models/me/tiny"
        if path in (f"{api}/revision/v1", f"{api}/revision/{COMMIT}"):
            siblings = [{"rfilename": file.name} for file in files]
            found = {"id": "me/tiny", "sha": COMMIT, "siblings": siblings}
            return 200, json.dumps(found).encode(), {}
        if path == f"{api}/tree/{COMMIT}":
            tree = [
                {"type": "file", "path": file.name, "size": file.stat().st_size, "oid": "0"}
                for file in files
            ]
            return 200, json.dumps(tree).encode(), {}
        if path.startswith(api):
            return 404, b"", {"X-Error-Code": "RevisionNotFound"}
        name = path.rsplit("/", 1)[-1]
        if path == f"/me/tiny/resolve/{COMMIT}/{name}" and (self.directory / name).is_file():
            content = (self.directory / name).read_bytes()
            return 200, content, {"ETag": f'"{name}"', "X-Repo-Commit": COMMIT}
        return 404, b"", {"X-Error-Code": "EntryNotFound"}

    def stop(self) -> None:
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def hub(pair: Path) -> Iterator[Hub]:
    running = Hub(pair / "fine-tuned")
    yield running
    running.stop()  # a second stop does no harm


_LOADS_WHAT_IS_ASKED_FOR = """
import sys
from app.engine.checkpoint import load
from app.engine.interface import Source
from app.errors import CheckpointError
for line in sys.stdin:
    try:
        source = Source("me/tiny", line.strip())
        found = load(source, device="cpu", dtype="auto", threads=1, cache_tokens=64)
        print("loaded", found.revision, found.parameters, flush=True)
    except CheckpointError as error:
        print("refused", error, flush=True)
"""


@contextmanager
def _loading_by_hub_id(hub: Hub, home: Path) -> Iterator[Callable[[str], str]]:
    """Load revisions in a process of its own, because the hub's address is read at import."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("HF_")}
    with subprocess.Popen(
        [sys.executable, "-c", _LOADS_WHAT_IS_ASKED_FOR],
        cwd=ROOT,
        env=clean | {"HF_ENDPOINT": hub.url, "HF_HOME": str(home), "HF_HUB_DISABLE_XET": "1"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        asked, told = process.stdin, process.stdout
        assert asked
        assert told

        def load_revision(revision: str) -> str:
            asked.write(f"{revision}\n")
            asked.flush()
            return told.readline()

        yield load_revision


@pytest.mark.long
def test_hub_id_revision_cache_and_offline(hub: Hub, tmp_path: Path) -> None:
    refusal = "not a directory here, not in the hub cache"
    with _loading_by_hub_id(hub, tmp_path) as load_revision:
        assert load_revision("v1").startswith(f"loaded {COMMIT}")
        assert any("revision/v1" in request for request in hub.requests)
        assert any(f"{COMMIT}/model.safetensors" in request for request in hub.requests)
        assert load_revision("v3").startswith(f"refused me/tiny@v3: {refusal}")
    hub.stop()
    with _loading_by_hub_id(hub, tmp_path) as load_revision:
        assert load_revision("v1").startswith(f"loaded {COMMIT}")
        assert load_revision("v2").startswith(f"refused me/tiny@v2: {refusal}")
