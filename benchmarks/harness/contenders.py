"""The servers that the same load is put on: how each is started, and how each is asked."""

import subprocess
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.harness.servers import Served, naive, ours, peer

NAIVE = "naive FastAPI, fp32"
_OURS = {"float32": "fp32", "int8": "int8"}  # `auto` is float32 on a CPU
INSTALL = (
    "needs {}: python -m venv .venv-peers && .venv-peers/bin/pip install -e '.[bench]' litserve, "
    "then --peers-python .venv-peers/bin/python"
)


class Way(NamedTuple):
    """A server: how to start it, what it needs, and how to ask it."""

    start: Callable[[Path], AbstractContextManager[Served]]
    package: str
    path: str
    body: Callable[[str, int], dict[str, Any]]


def ways_of(python: str) -> dict[str, Way]:
    """Return every server by its name; `python` is where those of others are installed."""

    def answer(question: str, tokens: int) -> dict[str, Any]:
        return {"question": question, "max_new_tokens": tokens}

    def streamed(question: str, tokens: int) -> dict[str, Any]:
        return answer(question, tokens) | {"stream": True, "references": 0}

    def completion(question: str, tokens: int) -> dict[str, Any]:
        prompt = f"<question>{question}<answer>"
        return {"prompt": prompt, "max_tokens": tokens, "stream": True, "temperature": 0}

    def ctranslate2(kind: str) -> Callable[[Path], AbstractContextManager[Served]]:
        module = "benchmarks.peers.ctranslate2_app"
        return lambda model: peer([python, "-m", module, str(model), "{port}", kind])

    module = "benchmarks.peers.litserve_app"
    return {
        NAIVE: Way(naive, "", "/answer", answer),
        "LitServe, batches, fp32": Way(
            lambda model: peer([python, "-m", module, str(model), "{port}"]),
            "litserve", "/predict", answer,
        ),
        "transformers serve, fp32": Way(_transformers_serve, "", "/v1/completions", completion),
        "CTranslate2, fp32": Way(ctranslate2("float32"), "ctranslate2", "/answer", answer),
        "CTranslate2, int8": Way(ctranslate2("int8"), "ctranslate2", "/answer", answer),
    } | {
        f"ours, {name}": Way(partial(ours, dtype=dtype, references="none"), "", "/answer", streamed)
        for dtype, name in _OURS.items()
    }  # fmt: skip


def _transformers_serve(model: Path) -> AbstractContextManager[Served]:
    """Serve by transformers' own server, its cache as large as ours; it bounds no batch."""
    options = (
        "--continuous-batching --dtype float32 --host 127.0.0.1 --port {port} --log-level error"
    )
    cache = "--cb-block-size 256 --cb-num-blocks 65 --cb-max-batch-tokens 256"
    command = ["-m", "transformers.cli.transformers", "serve", str(model)]
    return peer([sys.executable, *command, *options.split(), *cache.split()])


def installed(way: Way, python: str) -> bool:
    """Whether what a server needs is there."""
    command = [python, "-c", f"import {way.package}"]
    return not way.package or subprocess.run(command, capture_output=True).returncode == 0
