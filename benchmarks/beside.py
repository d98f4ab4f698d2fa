"""What references cost the answers: tokens per second and time to the first token, on and off.

One server with the demo pair, whose small models leave the search the largest share; the same
questions with and without references, in interleaved rounds, medians.
"""

import argparse
import asyncio
import statistics
import time
from functools import partial
from itertools import chain
from pathlib import Path
from typing import NamedTuple

import httpx
import numpy as np

from app.model_sources import DEMO
from benchmarks.harness.interleaving import interleaved
from benchmarks.harness.servers import ours

_QUESTION = "My mother, {} years old, has asthma. What are the treatments, and is it inherited?"


_TURNS = 4  # of each client in a round: so many that they no longer move in step


class Round(NamedTuple):
    """What one round of streamed answers gave."""

    tokens_per_second: float
    first_token_seconds: float


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the benchmark's options."""
    parser.add_argument("--index", type=Path, default=Path("models/references"))
    parser.add_argument("--clients", type=int, default=16)
    parser.add_argument("--new-tokens", type=int, default=64)
    parser.add_argument("--repeats", type=int, default=7)


def run(arguments: argparse.Namespace) -> int:
    """Print both, and their ratio."""
    counts = {"off": 0, "on": 3}
    asked = (arguments.clients, arguments.new_tokens)
    with ours(DEMO / "fine-tuned", references=str(arguments.index.resolve())) as (url, _):

        def a_round(references: int) -> Round:
            return asyncio.run(_round(url, *asked, references))

        cases = {name: partial(a_round, count) for name, count in counts.items()}
        rounds = interleaved(cases, arguments.repeats)
    speeds, firsts = (
        {name: statistics.median(made[place] for made in each) for name, each in rounds.items()}
        for place in (0, 1)
    )
    pairs = zip(rounds["on"], rounds["off"], strict=True)
    ratios = [on.tokens_per_second / off.tokens_per_second for on, off in pairs]
    print(f"on ÷ off, median of {len(ratios)} pairs of rounds: {statistics.median(ratios):.3f} ×, ")
    print(f"the middle half {np.percentile(ratios, [25, 75]).round(3)}\n")
    print(f"| {arguments.clients} clients | tokens/s | ÷ off | first token ms, mean |")
    print("| --- | --- | --- | --- |")
    for name in counts:
        ratio = speeds[name] / speeds["off"]
        print(
            f"| references {name} | {speeds[name]:.1f} | {ratio:.3f} × | {firsts[name] * 1e3:.1f} |"
        )
    return 0


async def _round(url: httpx.URL, clients: int, new_tokens: int, references: int) -> Round:
    limits = httpx.Limits(max_connections=clients)
    async with httpx.AsyncClient(base_url=url, timeout=600, limits=limits) as http:

        async def client(number: int) -> list[tuple[int, float]]:
            return [await ask(number * _TURNS + turn) for turn in range(_TURNS)]

        async def ask(number: int) -> tuple[int, float]:
            body = {
                "question": _QUESTION.format(20 + number),
                "max_new_tokens": new_tokens,
                "references": references,
            }
            response = await http.post("/answer", json=body)
            response.raise_for_status()
            answer = response.json()
            tokens: int = answer["usage"]["completion_tokens"]
            return tokens, answer["timing"]["first_token_ms"] / 1e3

        started = time.perf_counter()
        answers = list(chain(*await asyncio.gather(*map(client, range(clients)))))
        seconds = time.perf_counter() - started
    tokens = sum(made for made, _ in answers)
    return Round(tokens / seconds, statistics.mean(first for _, first in answers))
