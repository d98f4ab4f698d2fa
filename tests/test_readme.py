"""README.md tells the truth: its commands parse and run, its variables and targets exist."""

import hashlib
import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from app.middleware.api_keys import parse_key
from app.settings import Settings
from benchmarks.__main__ import BENCHMARKS
from benchmarks.__main__ import main as run_benchmark
from benchmarks.harness.chromium import chromium
from tests.app.server_process import Server
from training.__main__ import main

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
SERVICE = (ROOT / "app/README.md").read_text(encoding="utf-8")
OPERATORS = (ROOT / "docker/README.md").read_text(encoding="utf-8")
_BLOCK = re.compile(r"```(\w+)\n(.*?)```", re.DOTALL)
BLOCKS = _BLOCK.findall(README)
SHELL = "\n".join(text.replace("\\\n", " ") for kind, text in BLOCKS if kind == "sh")


def test_the_curl_command_gives_the_answer_shown(demo: Server) -> None:
    command = next(line for line in SHELL.splitlines() if line.startswith("curl"))
    done = subprocess.run(
        shlex.split(command.replace("http://127.0.0.1:8000", demo.url)),
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    given = json.loads(done.stdout)
    shown = json.loads(next(text for kind, text in BLOCKS if kind == "json"))
    assert set(given) == set(shown)
    assert given["question"] == shown["question"]
    for side in ("fine_tuned", "base"):
        # Arithmetic differs in the last bit between processors, and a tie can turn an answer.
        assert given[side]["answer"][:40] == shown[side]["answer"][:40]
        assert given[side]["finish_reason"] == shown[side]["finish_reason"]


def test_the_commands_that_make_a_key_print_its_digest() -> None:
    blocks = _BLOCK.findall(OPERATORS)
    block = next(text for kind, text in blocks if kind == "sh" and "sha256sum" in text)
    done = subprocess.run(
        ["bash", "-euc", block + 'printf %s "$KEY"'],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    digest, key = done.stdout.split("\n")
    assert len(key) > 40
    assert parse_key(f"alice:{digest}").digest == hashlib.sha256(key.encode()).hexdigest()


def test_the_openai_block_prints_an_answer(demo: Server) -> None:
    block = next(text for kind, text in _BLOCK.findall(SERVICE) if kind == "python")
    done = subprocess.run(
        [sys.executable, "-c", block.replace("http://127.0.0.1:8000", demo.url)],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    question = re.findall(r'"content": "(.*?)"', block)[0]
    answer = httpx.post(f"{demo.url}/answer", json={"question": question}, timeout=60).json()
    assert done.stdout == answer["answer"] + "\n"


def test_the_javascript_block_prints_an_answer(demo: Server) -> None:
    block = next(text for kind, text in _BLOCK.findall(SERVICE) if kind == "js")
    said: list[str] = []
    with chromium() as browser:
        page = browser.new_page()
        page.on("console", lambda message: said.append(f"{message.type}: {message.text}"))
        example = block.replace("http://127.0.0.1:8000", demo.url)
        page.route(
            "**/example.js",
            lambda route: route.fulfill(body=example, content_type="text/javascript"),
        )
        page.goto(demo.url)
        with page.expect_console_message(lambda message: message.type == "log", timeout=60_000):
            page.add_script_tag(url=f"{demo.url}/example.js", type="module")
    body = {"question": "Is hemophilia inherited?", "max_new_tokens": 80}
    told = httpx.post(f"{demo.url}/compare", json=body, timeout=60).json()
    assert said[-1] == f"log: {told['fine_tuned']['answer']} {told['base']['finish_reason']}"
    assert any(line.startswith("debug: fine-tuned ") for line in said)


@pytest.mark.parametrize(
    "command",
    [line.split("#")[0] for line in SHELL.splitlines() if " -m training " in line],
)
def test_training_commands_parse(command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    words = shlex.split(command.partition(" -m training ")[2])
    monkeypatch.setattr(f"training.{words[0].replace('-', '_')}.run", lambda _: 0)
    assert main(words) == 0


def test_make_targets_exist() -> None:
    makefile = (ROOT / "Makefile").read_text()
    named = set(re.findall(r"\bmake ([a-z]+)", README)) - {"s"}
    assert named
    assert {name for name in named if f"\n{name}:" not in makefile} == set()


def test_variables_exist() -> None:
    named = {name.removeprefix("MEDQA_").lower() for name in re.findall(r"MEDQA_[A-Z_]+", README)}
    assert named
    assert named <= set(Settings.model_fields)


def test_files_named_exist() -> None:
    named = re.findall(r"\]\(([a-z][\w/.-]+)\)|`(app/[\w.]+|training/[\w]+)`", README)
    paths = {path for pair in named for path in pair if path}
    assert paths
    assert {path for path in paths if not (ROOT / path).exists()} == set()


def test_benchmark_commands_parse(monkeypatch: pytest.MonkeyPatch) -> None:
    commands = [line for line in SHELL.splitlines() if " -m benchmarks " in line]
    assert commands
    for command in commands:
        words = shlex.split(command.partition(" -m benchmarks ")[2], comments=True)
        monkeypatch.setattr(BENCHMARKS[words[0]], "run", lambda _: 0)
        monkeypatch.setattr(sys, "argv", ["benchmarks", *words])
        assert run_benchmark() == 0


def test_no_speed_is_typed_by_hand() -> None:
    """What is measured stands between the markers that `python -m benchmarks readme` fills."""
    by_hand = re.sub(r"<!-- benchmarks: .*?<!-- end -->", "", README, flags=re.DOTALL)
    assert re.findall(r"[\d.,]+ ?(?:×|tokens/s|answers/s)", by_hand) == []


def test_a_newcomer_reads_it_to_the_end() -> None:
    assert len(README.splitlines()) <= 200
