"""Our server against a naive FastAPI app: many clients, and one alone against `generate()`.

Each client posts its next question when it has its answer. Rounds are interleaved; the medians of
their throughputs and the 95th percentile of all their latencies are shown. One client alone is
compared with `generate()` called in this process, without HTTP.
"""

import argparse
import asyncio
import statistics
import time
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import numpy as np
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from benchmarks.harness import results
from benchmarks.harness.interleaving import interleaved
from benchmarks.harness.servers import naive, ours, random_gpt2

_NAIVE = "naive FastAPI, fp32"
_GENERATE = "generate() in process, fp32"
_QUESTION = "What are the symptoms of asthma, and how is it treated in children? ({})"


class Round(NamedTuple):
    """What one round of requests gave."""

    tokens_per_second: float
    latencies: list[float]
    """Seconds from sending a question to having its answer."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the benchmark's options."""
    parser.add_argument("--clients", type=int, default=16)
    parser.add_argument("--new-tokens", type=int, default=64)
    parser.add_argument("--requests", type=int, default=2, help="of each client, in each round")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--dtype", nargs="+", default=["float32", "int8"], help="of our server")


def run(arguments: argparse.Namespace) -> int:
    """Print throughput and latency of each server, and the ratios."""
    with random_gpt2() as model, ExitStack() as servers:
        urls = {_NAIVE: servers.enter_context(naive(model)).url}
        for dtype in arguments.dtype:
            served = ours(model, dtype=dtype, references="none")  # the naive app looks nothing up
            urls[f"ours, {dtype}"] = servers.enter_context(served).url
        dtypes = {name: _dtype(url) for name, url in urls.items()}
        results.report(_many(arguments, urls, dtypes), arguments.keep)
        print()
        results.report(_alone(arguments, urls, model), arguments.keep)
    return 0


def _many(
    arguments: argparse.Namespace, urls: dict[str, httpx.URL], dtypes: dict[str, str]
) -> results.Record:
    rounds = interleaved(
        {
            name: partial(_round, url, arguments.clients, arguments.requests, arguments.new_tokens)
            for name, url in urls.items()
        },
        arguments.repeats,
    )
    rows: list[results.Row] = []
    for name, made in rounds.items():
        latencies = np.concatenate([each.latencies for each in made])
        rows.append(
            {
                "case": name,
                "dtype": dtypes[name],
                "speed": statistics.median(each.tokens_per_second for each in made),
                "p50": float(np.percentile(latencies, 50)),
                "p95": float(np.percentile(latencies, 95)),
            }
        )
    columns = {
        "dtype": "{dtype}",
        "tokens/s": "{speed:.1f}",
        "÷ naive": "{ratio:.2f} ×",
        "p50, s": "{p50:.2f}",
        "p95, s": "{p95:.2f}",
    }
    title = (
        f"{arguments.clients} clients that ask a GPT-2 124M (random weights) again as soon as they "
        f"have their answers of {arguments.new_tokens} tokens; median of {arguments.repeats}"
    )
    rows = results.with_ratios(rows, "speed", _NAIVE)
    return results.record("serving", title, columns, rows, baseline=_NAIVE)


def _alone(
    arguments: argparse.Namespace, urls: dict[str, httpx.URL], model: Path
) -> results.Record:
    loaded: Any = AutoModelForCausalLM.from_pretrained(model, dtype=torch.float32).eval()
    inputs = AutoTokenizer.from_pretrained(model)(_QUESTION.format(0), return_tensors="pt")

    def in_process() -> Round:
        started = time.perf_counter()
        loaded.generate(
            **inputs, max_new_tokens=arguments.new_tokens, do_sample=False, pad_token_id=0
        )
        return Round(arguments.new_tokens / (time.perf_counter() - started), [])

    cases: dict[str, Callable[[], Round]] = {_GENERATE: in_process}
    for name, url in urls.items():
        cases[name] = partial(_round, url, 1, 1, arguments.new_tokens)
    rounds = interleaved(cases, arguments.repeats)
    rows: list[results.Row] = [
        {"case": name, "speed": statistics.median(each.tokens_per_second for each in made)}
        for name, made in rounds.items()
    ]
    columns = {"tokens/s": "{speed:.1f}", "÷ generate()": "{ratio:.2f} ×"}
    title = (
        f"One client that asks a GPT-2 124M (random weights) for {arguments.new_tokens} tokens; "
        f"median of {arguments.repeats}"
    )
    rows = results.with_ratios(rows, "speed", _GENERATE)
    return results.record("serving-alone", title, columns, rows, baseline=_GENERATE)


def _round(url: httpx.URL, clients: int, requests: int, new_tokens: int) -> Round:
    return asyncio.run(_ask(url, clients, requests, new_tokens))


async def _ask(url: httpx.URL, clients: int, requests: int, new_tokens: int) -> Round:
    latencies: list[float] = []

    async def client(number: int) -> int:
        tokens = 0
        for turn in range(requests):
            body = {
                "question": _QUESTION.format(number * requests + turn),
                "max_new_tokens": new_tokens,
            }
            started = time.perf_counter()
            response = await http.post("/answer", json=body)
            response.raise_for_status()
            latencies.append(time.perf_counter() - started)
            tokens += response.json()["usage"]["completion_tokens"]
        return tokens

    limits = httpx.Limits(max_connections=clients)
    async with httpx.AsyncClient(base_url=url, timeout=600, limits=limits) as http:
        started = time.perf_counter()
        tokens = sum(await asyncio.gather(*(client(number) for number in range(clients))))
        return Round(tokens / (time.perf_counter() - started), latencies)


def _dtype(url: httpx.URL) -> str:
    info = httpx.get(url.join("/info"))
    return str(info.json()["models"][0]["dtype"]) if info.status_code == 200 else "float32"
