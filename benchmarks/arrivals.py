"""Servers under Poisson arrivals at rising rates: a slow server cannot slow its own load.

Rates are multiples of what a naive FastAPI app finishes at most; at each, every server is started
afresh, warmed and measured, so that none inherits a backlog. An answer is in time when its first
token and its further ones keep to the stated limits; one that is refused, or not there when the
last that arrived would be late, is not. A server that does not stream gives its first token with
its last.
"""

import argparse
import asyncio
import re
import sys
import time
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import numpy as np
from matplotlib.figure import Figure

from benchmarks.harness import results
from benchmarks.harness.asking import Reply, ask, request
from benchmarks.harness.contenders import INSTALL, NAIVE, Way, installed, ways_of
from benchmarks.harness.servers import kill, random_gpt2

FIGURE = Path(__file__).parent / "figures" / "arrivals.png"
_QUESTION = "What are the symptoms of asthma, and how is it treated in children? ({})"


class Answer(NamedTuple):
    """What became of one question: `seconds` is None where no whole answer came in time."""

    status: int
    first_seconds: float | None
    seconds: float | None


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the benchmark's options."""
    parser.add_argument("--times", type=float, nargs="+", default=[0.5, 1, 2, 4, 8])
    parser.add_argument(
        "--capacity", type=float, default=0.0, help="answers/s of naive; 0: measure"
    )
    parser.add_argument("--seconds", type=float, default=20.0, help="of arrivals at each rate")
    parser.add_argument("--new-tokens", type=int, default=32)
    parser.add_argument("--slo-first-seconds", type=float, default=1.0)
    parser.add_argument("--slo-token-seconds", type=float, default=0.2)
    parser.add_argument("--machine-price-per-hour", type=float, default=0.1, help="in dollars")
    parser.add_argument("--peers-python", default=sys.executable, help="where peers are installed")
    parser.add_argument("--servers", nargs="+", default=[], help="parts of names; none: all")
    parser.add_argument("--figure", type=Path, default=FIGURE)


def run(arguments: argparse.Namespace) -> int:
    """Print each server's figures at each rate."""
    ways = {
        name: way
        for name, way in ways_of(arguments.peers_python).items()
        if name == NAIVE or not arguments.servers or any(p in name for p in arguments.servers)
    }
    with random_gpt2() as model:
        capacity = arguments.capacity or _capacity(ways[NAIVE], model, arguments)
        print(f"naive FastAPI finishes {capacity:.2f} answers/s", flush=True)
        rows = list(
            chain.from_iterable(
                rows_at(ways, model, times, capacity * times, arguments)
                for times in arguments.times
            )
        )
    columns = {
        "in time/s": "{good:.2f}",
        "÷ the most that naive finishes": "{ratio:.2f} ×",
        "in time": "{share:.0%}",
        "refused": "{refused:.0%}",
        "tokens/s": "{speed:.0f}",
        "first token p50, s": "{first50:.2f}",
        "p95": "{first95:.2f}",
        "p99": "{first99:.2f}",
        "a further token p50, ms": "{token50:.0f}",
        "p95, ms": "{token95:.0f}",
        "$ for 1000 in time": "{dollars:.3f}",
    }
    title = (
        f"Poisson arrivals of questions to a GPT-2 124M, {arguments.new_tokens} tokens each, for "
        f"{arguments.seconds:.0f} s; in time: first token ≤ {arguments.slo_first_seconds:g} s and "
        f"≤ {arguments.slo_token_seconds:g} s for each further; "
        f"${arguments.machine_price_per_hour:g} an hour"
    )
    made = results.record(
        "arrivals", title, columns, rows, baseline=NAIVE, packages=("litserve", "ctranslate2")
    )
    results.report(made, arguments.keep)
    path = results.KEPT / f"{made.name}.json"
    _figure(results.Record.read(path).rows if arguments.keep else rows, arguments.figure)
    return 0


def _capacity(way: Way, model: Path, arguments: argparse.Namespace) -> float:
    """Return the answers that naive finishes in a second when four clients always wait."""

    async def client(url: httpx.URL, until: float) -> int:
        made = 0
        while time.perf_counter() < until:
            await _ask(url, way, made, arguments.new_tokens, 60.0)
            made += 1
        return made

    async def clients(url: httpx.URL) -> float:
        await _ask(url, way, 0, arguments.new_tokens, 60.0)
        started = time.perf_counter()
        made = await asyncio.gather(*(client(url, started + 10.0) for _ in range(4)))
        return sum(made) / (time.perf_counter() - started)

    with way.start(model) as served:
        return asyncio.run(clients(served.url))


def rows_at(
    ways: dict[str, Way], model: Path, times: float, rate: float, arguments: argparse.Namespace
) -> list[results.Row]:
    """Return a row for each server at one rate."""
    rows: list[results.Row] = []
    for name, way in ways.items():
        case = f"{times:g} × ({rate:.1f}/s): {name}"
        row: results.Row = {"case": case, "server": name, "times": times, "rate": rate}
        if not installed(way, arguments.peers_python):
            rows.append(row | {"note": INSTALL.format(way.package)})
            continue
        with way.start(model) as served:
            answers = asyncio.run(_arrive(served.url, way, rate, arguments))
            kill(served)
        rows.append(row | figures(answers, rate / times, arguments))
        print(f"{case}: {rows[-1]['good']:.2f} answers/s in time", flush=True)
    return rows


async def _arrive(
    url: httpx.URL, way: Way, rate: float, arguments: argparse.Namespace
) -> list[Answer]:
    """Ask at Poisson arrivals; wait no longer than until the last answer would be late."""
    tokens = arguments.new_tokens
    for number in range(2):
        if (await _ask(url, way, number, tokens, 60.0)).seconds is None:
            raise RuntimeError(f"{way.path} did not give {tokens} tokens")
    late = arguments.slo_first_seconds + tokens * arguments.slo_token_seconds
    gaps = np.random.default_rng(17).exponential(1 / rate, int(3 * rate * arguments.seconds) + 9)
    moments = np.cumsum(gaps)
    started = time.perf_counter()
    async with asyncio.TaskGroup() as group:
        tasks = []
        for number, moment in enumerate(moments[moments < arguments.seconds]):
            await asyncio.sleep(max(0.0, started + moment - time.perf_counter()))
            left = started + arguments.seconds + late - time.perf_counter()
            tasks.append(group.create_task(_ask(url, way, number, tokens, left)))
    return [task.result() for task in tasks]


async def _ask(url: httpx.URL, way: Way, number: int, tokens: int, longest: float) -> Answer:
    raw = request(url, way.path, way.body(_QUESTION.format(number), tokens))
    try:
        reply = await ask(url, raw, timeout_seconds=longest, token_mark=b'"text"')
    except (TimeoutError, OSError):
        return Answer(0, None, None)
    if reply.status != 200 or _tokens(reply) != tokens:
        return Answer(reply.status, None, None)
    return Answer(200, reply.first_seconds or reply.seconds, reply.seconds)


def _tokens(reply: Reply) -> int:
    """Return the answer's tokens as its usage says, which each server gives last."""
    found = re.findall(rb'"completion_tokens":\s*(\d+)', reply.body)
    return int(found[-1]) if found else 0


def figures(answers: list[Answer], capacity: float, arguments: argparse.Namespace) -> results.Row:
    """Return what the answers at one rate come to; `capacity` is what naive finishes at most."""
    further = arguments.new_tokens - 1
    whole = [
        (each.first_seconds, (each.seconds - each.first_seconds) / further)
        for each in answers
        if each.first_seconds is not None and each.seconds is not None
    ]
    good = sum(
        first <= arguments.slo_first_seconds and token <= arguments.slo_token_seconds
        for first, token in whole
    )
    row: results.Row = {
        "good": good / arguments.seconds,
        "ratio": good / arguments.seconds / capacity,
        "share": good / len(answers),
        "refused": sum(each.status == 429 for each in answers) / len(answers),
        "unfinished": sum(each.status == 0 for each in answers) / len(answers),
        "speed": len(whole) * arguments.new_tokens / arguments.seconds,
    }
    if good:
        row["dollars"] = arguments.machine_price_per_hour / 3_600 * arguments.seconds / good * 1_000
    for percent in (50, 95, 99) if whole else ():
        row[f"first{percent}"] = float(np.percentile([first for first, _ in whole], percent))
        row[f"token{percent}"] = 1e3 * float(np.percentile([token for _, token in whole], percent))
    return row


def _figure(rows: list[results.Row], path: Path) -> None:
    """Draw what is in time, and the wait for the first token, over the rate of arrivals."""
    drawing = Figure((11, 4.5), layout="constrained")
    good, first = drawing.subplots(1, 2)
    for name in dict.fromkeys(str(row["server"]) for row in rows if "good" in row):
        chosen = [row for row in rows if row["server"] == name and "good" in row]
        rates: Any = [row["rate"] for row in chosen]
        for plot, key in ((good, "good"), (first, "first95")):
            values: Any = [row.get(key, np.nan) for row in chosen]
            plot.plot(rates, values, marker="o", label=name)
    good.set(title="answers in time, a second", xlabel="questions a second", xscale="log")
    first.set(title="first token, p95, s", xlabel="questions a second", xscale="log", yscale="log")
    good.legend(fontsize="small")
    path.parent.mkdir(parents=True, exist_ok=True)
    drawing.savefig(path, dpi=110)
