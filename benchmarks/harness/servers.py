"""Servers to measure: real processes on loopback, over a random GPT-2 of 124M parameters.

Random weights cost exactly what trained ones cost; the embeddings of the end token and of what the
tokenizer has no text for are zero, so that these are never the likeliest: every answer has its full
length, and text from its first token on.
"""

import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import psutil
import torch
from transformers import AutoTokenizer, GPT2Config, GPT2LMHeadModel

from app.model_sources import DEMO

_START_SECONDS = 180
_POLL_SECONDS = 0.05


class Served(NamedTuple):
    """Where a server answers, and its process id."""

    url: httpx.URL
    process: int


@contextmanager
def random_gpt2() -> Iterator[Path]:
    """Write a random GPT-2 with the demo pair's tokenizer to a directory, for as long as needed."""
    tokenizer = AutoTokenizer.from_pretrained(DEMO / "fine-tuned")
    torch.manual_seed(17)
    model: Any = GPT2LMHeadModel(
        GPT2Config(
            bos_token_id=tokenizer.bos_token_id,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
        )
    )
    with torch.no_grad():
        embeddings = model.get_input_embeddings().weight
        embeddings[tokenizer.all_special_ids] = 0.0
        embeddings[len(tokenizer) :] = 0.0
    with tempfile.TemporaryDirectory() as directory:
        model.save_pretrained(directory)
        tokenizer.save_pretrained(directory)
        yield Path(directory)


@contextmanager
def ours(model: Path, **settings: str) -> Iterator[Served]:
    """Serve `model` as both sides by `python -m app`."""
    with pair(model, model, **settings) as served:
        yield served


@contextmanager
def pair(fine_tuned: Path, base: Path, **settings: str) -> Iterator[Served]:
    """Serve two models by `python -m app`."""
    named = {f"MEDQA_{name.upper()}": value for name, value in settings.items()}
    with _process(
        [sys.executable, "-m", "app"],
        {"MEDQA_FINE_TUNED_MODEL": str(fine_tuned), "MEDQA_BASE_MODEL": str(base)} | named,
    ) as served:
        yield served


@contextmanager
def naive(model: Path, base: Path | None = None, device: str | None = None) -> Iterator[Served]:
    """Serve one model or two by `peers.naive`, by default on a GPU where there is one."""
    given = {"NAIVE_MODEL": model, "NAIVE_BASE": base, "NAIVE_DEVICE": device}
    environment = {name: str(value) for name, value in given.items() if value is not None}
    command = [
        sys.executable,
        "-m",
        "uvicorn",
        "benchmarks.peers.naive:app",
        "--log-level",
        "warning",
    ]
    with _process(command, environment) as served:
        yield served


@contextmanager
def peer(command: list[str]) -> Iterator[Served]:
    """Serve by a command with `{port}` in it, ready when /health says so; killed when done."""
    with _process(command, {}, "/health") as served:
        yield served
        kill(served)


def kill(served: Served) -> None:
    """End a server at once, with the workers it started: what it still makes is for nobody."""
    for each in reversed(family(served.process)):
        each.kill()


def family(process: int) -> list[psutil.Process]:
    """Return a process and those that it started."""
    first = psutil.Process(process)
    return [first, *first.children(recursive=True)]


def memory_bytes(process: int) -> int:
    """Return what a server's processes hold in memory; what they share counts once, on Linux."""
    return sum(memory_of_each(process))


def memory_of_each(process: int) -> list[int]:
    """Return what each of a server's processes holds, in bytes: itself, then each model's."""
    held = [each.memory_full_info() for each in family(process)]
    return [int(getattr(each, "pss", each.rss)) for each in held]


@contextmanager
def _process(
    command: list[str], environment: dict[str, str], ready: str = "/readyz"
) -> Iterator[Served]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    url = httpx.URL(f"http://127.0.0.1:{port}")
    command = [part.replace("{port}", str(port)) for part in command]
    environment |= {"MEDQA_PORT": str(port), "UVICORN_PORT": str(port)}
    process = subprocess.Popen(
        command, env=os.environ | {"MEDQA_LOG_LEVEL": "warning"} | environment
    )
    try:
        wait_until_ready(url.join(ready), process)
        yield Served(url, process.pid)
    finally:
        process.terminate()
        process.wait(timeout=60)


def wait_until_ready(url: httpx.URL, process: subprocess.Popen[bytes]) -> None:
    """Return once `url` answers 200.

    Raises:
        RuntimeError: the process has ended, or it took minutes.
    """
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise RuntimeError(f"the server ended with {process.returncode}")
        try:
            if httpx.get(url, timeout=_START_SECONDS).status_code == 200:
                return
        except httpx.TransportError:
            pass
        time.sleep(_POLL_SECONDS)
    raise RuntimeError("the server was not ready in time")
