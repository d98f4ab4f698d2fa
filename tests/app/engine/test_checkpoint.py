"""A model directory that must not be served is refused, and the message names what is wrong."""

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
import torch
from safetensors.torch import load_file, save_file

from app.answering.prompt_format import PromptFormat
from app.engine.checkpoint import load
from app.engine.interface import Source
from app.errors import CheckpointError
from tests.app.conftest import ROOT
from tests.conftest import edit_json

CPU = torch.device("cpu")


def _load(directory: Path) -> None:
    PromptFormat.of_model(load(Source(str(directory)), CPU, torch.float32))


def _truncate(directory: Path) -> None:
    weights = directory / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1000])


def _flip_a_bit_of_the_header(directory: Path) -> None:
    weights = bytearray((directory / "model.safetensors").read_bytes())
    weights[20] ^= 0x80
    (directory / "model.safetensors").write_bytes(weights)


def _another_width(directory: Path) -> None:
    edit_json(directory / "config.json", n_embd=48)


def _pickle(directory: Path) -> None:
    (directory / "model.safetensors").rename(directory / "pytorch_model.bin")


def _forget_layer(directory: Path) -> None:
    weights = load_file(directory / "model.safetensors")
    del weights["transformer.h.1.mlp.c_fc.weight"]
    save_file(weights, directory / "model.safetensors", metadata={"format": "pt"})


def _surplus_token(directory: Path) -> None:
    fields = json.loads((directory / "tokenizer.json").read_text())
    last = max(token["id"] for token in fields["added_tokens"])
    fields["added_tokens"].append(
        fields["added_tokens"][-1] | {"id": last + 1, "content": "<surplus>"}
    )
    (directory / "tokenizer.json").write_text(json.dumps(fields))


def _pad_is_end(directory: Path) -> None:
    edit_json(directory / "tokenizer_config.json", pad_token="<end>")


def _no_template(directory: Path) -> None:
    (directory / "chat_template.jinja").unlink()


def _no_config(directory: Path) -> None:
    (directory / "config.json").unlink()


def _no_weights(directory: Path) -> None:
    (directory / "model.safetensors").unlink()


def _garbled_config(directory: Path) -> None:
    (directory / "config.json").write_text("{")


def _config_of_nonsense(directory: Path) -> None:
    edit_json(directory / "config.json", n_embd=[{}])


def _tokenizer_of_nonsense(directory: Path) -> None:
    (directory / "tokenizer.json").write_text('{"version": "1.0", "model": 7}')


def _not_a_number(directory: Path) -> None:
    weights = load_file(directory / "model.safetensors")
    weights["transformer.ln_f.bias"][3] = torch.nan
    save_file(weights, directory / "model.safetensors", metadata={"format": "pt"})


def _pickled_adapter(directory: Path) -> None:
    torch.save({}, directory / "adapter_model.bin")
    adapter = {"peft_type": "LORA", "base_model_name_or_path": "somebody/else"}
    (directory / "adapter_config.json").write_text(json.dumps(adapter))


def _template_that_breaks_out(directory: Path) -> None:
    template = "{{ ''.__class__.__mro__[1].__subclasses__() }}{{ messages[0].content }}"
    (directory / "chat_template.jinja").write_text(template)


def _template_without_end(directory: Path) -> None:
    template = "{% for _ in range(10 ** 12) %}{% endfor %}{{ messages[0].content }}"
    (directory / "chat_template.jinja").write_text(template)


@pytest.mark.parametrize(
    ("break_it", "reason"),
    [
        (_truncate, "cannot be read"),
        (_flip_a_bit_of_the_header, "cannot be read"),
        (_another_width, "cannot be read|mismatched keys"),
        (_pickle, "pickle"),
        (_forget_layer, "missing keys.*h.1.mlp.c_fc"),
        (_surplus_token, "tokenizer has .* tokens but the model embeds"),
        (_pad_is_end, "padding needs its own token"),
        (_no_template, "no chat template"),
        (_no_config, "no config.json"),
        (_no_weights, "no weights"),
        (_garbled_config, "cannot be read"),
        (_config_of_nonsense, "cannot be read"),
        (_tokenizer_of_nonsense, "cannot be read"),
        (_not_a_number, "infinite or none at all"),
        (_pickled_adapter, "holds an adapter"),
        (_template_that_breaks_out, "chat template does not render"),
        (_template_without_end, "chat template does not render"),
    ],
)
def test_broken_directories_are_named(
    break_it: Callable[[Path], None], reason: str, broken: Path
) -> None:
    _load(broken)  # whole before it is broken
    break_it(broken)
    with pytest.raises(CheckpointError, match=rf"(?s){broken}.*{reason}"):
        _load(broken)


def test_code_in_a_directory_is_never_run(broken: Path, tmp_path: Path) -> None:
    ran = tmp_path / "ran"
    (broken / "evil.py").write_text(
        f"open({str(ran)!r}, 'w')\n"
        "from transformers import GPT2Config as Config, GPT2LMHeadModel as Model\n"
        "from transformers import GPT2Tokenizer as Tokenizer\n"
    )
    classes = {"AutoConfig": "evil.Config", "AutoModelForCausalLM": "evil.Model"}
    edit_json(broken / "config.json", auto_map=classes)
    edit_json(broken / "tokenizer_config.json", auto_map={"AutoTokenizer": ["evil.Tokenizer"] * 2})
    _load(broken)  # by transformers' own classes
    edit_json(broken / "config.json", model_type="evil")
    with pytest.raises(CheckpointError, match="cannot be read"):
        _load(broken)
    assert not ran.exists()


@pytest.mark.parametrize("name", ["/no/such/model", "./models/none", "a/b/c", "../nowhere"])
def test_neither_directory_nor_hub_id(name: str) -> None:
    with pytest.raises(CheckpointError, match="no such model directory"):
        load(Source(name), CPU, torch.float32)


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
import sys, torch
from app.engine.checkpoint import load
from app.engine.interface import Source
from app.errors import CheckpointError
for line in sys.stdin:
    try:
        found = load(Source("me/tiny", line.strip()), torch.device("cpu"), torch.float32)
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
