"""Our server at ten times its capacity: what happens to those it takes, and to those it refuses.

First as many clients as the batch holds, which gives the capacity and the uncontended latencies;
then questions at a multiple of that rate, whether or not earlier ones have their answers. Exits
with 1 where a bound of the project is broken. `--scored` and `--health` are other overloads: two
hundred comparisons against the largest references, and /healthz beside what costs a server most.
"""

import argparse
import asyncio
import json
import math
import re
import resource
import time
from contextlib import closing
from itertools import chain
from typing import NamedTuple

import httpx
import numpy as np
import numpy.typing as npt

from app.model_sources import DEMO
from app.settings import Settings
from benchmarks.harness.attacks import (
    ATTACKS,
    BESIEGER,
    KEYS,
    VISITOR,
    Siege,
    health,
    ordinary,
    scored,
)
from benchmarks.harness.servers import Served, family, memory_bytes, ours, pair

_QUESTION = "What are the symptoms of disease number {}?"
_MAX_LATENCY_RATIO = 2.0
_MAX_REFUSAL_SECONDS = 0.1
_MAX_GROWTH = 0.05
_SIEGES = {
    ("without a reference", "another client's"): math.inf,
    ("scored", "another client's"): 3.0,
    ("without a reference", "the same client's"): math.inf,
    ("scored", "the same client's"): math.inf,
}
"""Which comparisons beside whose answers, and how much longer those may take: p95 ÷ p95 alone."""
_MAX_BYTES = 2 * 2**30  # what docker/compose.yaml gives the demo pair
_MAX_HEALTH_SECONDS = 0.1
_DESCRIPTORS = 1_024
_LONGEST_SECONDS = 120
_LENGTH = re.compile(rb"content-length: (\d+)", re.IGNORECASE)

Floats = npt.NDArray[np.float64]


class Reply(NamedTuple):
    """A response: its status, and seconds from sending the question to having it."""

    status: int
    seconds: float


class _Proxy:
    """Asks by hand, as a client library takes as long as a refusal does.

    Connections are kept and used again, as a proxy in front of many clients does.
    """

    def __init__(self, url: httpx.URL, new_tokens: int) -> None:
        self._url = url
        self._new_tokens = new_tokens
        self._idle: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []

    async def ask(self, number: int) -> Reply:
        """Ask a question on an idle connection, or on a new one."""
        body = json.dumps(
            {"question": _QUESTION.format(number), "max_new_tokens": self._new_tokens}
        )
        request = (
            f"POST /answer HTTP/1.1\r\nHost: {self._url.host}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n{body}"
        )
        started = time.perf_counter()
        async with asyncio.timeout(_LONGEST_SECONDS):
            kept = self._idle.pop() if self._idle else await self._connect()
            reader, writer = kept
            writer.write(request.encode())
            head = await reader.readuntil(b"\r\n\r\n")
            await reader.readexactly(int(_LENGTH.findall(head)[0]))
        self._idle.append(kept)
        return Reply(int(head.split(b" ", 2)[1]), time.perf_counter() - started)

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection(self._url.host, self._url.port)

    def close(self) -> None:
        """Close the connections."""
        for _, writer in self._idle:
            writer.close()


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the benchmark's options."""
    parser.add_argument("--seconds", type=float, default=60.0, help="of overload, after a minute")
    parser.add_argument("--times", type=float, default=10.0, help="the capacity")
    parser.add_argument("--new-tokens", type=int, default=64)
    parser.add_argument("--scored", type=int, nargs="?", const=200, help="comparisons; 200")
    parser.add_argument("--at-once", type=int, default=16, help="of the scored comparisons")
    parser.add_argument("--health", action="store_true", help="/healthz beside each attack")


def run(arguments: argparse.Namespace) -> int:
    """Print latencies, refusals and memory; return 1 if a bound is broken."""
    if arguments.scored:
        return asyncio.run(_besieged(arguments.scored, arguments.at_once))
    if arguments.health:
        return asyncio.run(_watched(arguments.seconds))
    running = Settings().max_running
    with ours(DEMO / "fine-tuned") as (url, process):
        uncontended = asyncio.run(_closed(url, running, 4, arguments.new_tokens))
        rate = running * 4 / sum(reply.seconds for reply in uncontended) * running
        asyncio.run(_open(url, rate * arguments.times, 60.0, arguments.new_tokens))
        memory = memory_bytes(process)
        replies = asyncio.run(
            _open(url, rate * arguments.times, arguments.seconds, arguments.new_tokens)
        )
        growth = memory_bytes(process) / memory - 1
    accepted = [reply.seconds for reply in replies if reply.status == 200]
    refused = [reply.seconds for reply in replies if reply.status == 429]
    others = len(replies) - len(accepted) - len(refused)
    quiet_p95, busy_p95 = _p95([reply.seconds for reply in uncontended]), _p95(accepted)
    print(f"capacity {rate:.1f} answers/s; {rate * arguments.times:.0f} questions/s for a minute,")
    print(f"then {arguments.seconds:.0f} s: {len(accepted)} answered, {len(refused)} refused\n")
    bounds = {
        "p95 of accepted ÷ p95 uncontended": (busy_p95 / quiet_p95, _MAX_LATENCY_RATIO),
        "p95 of refusals, s": (_p95(refused), _MAX_REFUSAL_SECONDS),
        "growth of memory": (growth, _MAX_GROWTH),
        "neither answered nor refused": (float(others), 0.0),
    }
    return _told(bounds)


async def _besieged(comparisons: int, at_once: int) -> int:
    """Print what scored comparisons do to memory, and to the ordinary answers of whom."""
    settings = {"references": "none", "api_keys": KEYS}
    with pair(DEMO / "fine-tuned", DEMO / "base", **settings) as served:
        processes = {each.pid for each in family(served.process)}
        quiet = _p95([seconds async for seconds in ordinary(served.url, 50)])
        print(f"ordinary answers, p95: alone {quiet:.3f} s")
        bounds, failed = {}, 0
        for (kind, whose), bound in _SIEGES.items():
            siege = await scored(
                served,
                comparisons,
                at_once,
                reference=kind == "scored",
                visitor=VISITOR if whose == "another client's" else BESIEGER,
            )
            print(f"{comparisons} comparisons, {at_once} at once, {kind}: {_counts(siege)}")
            ratio = f"p95 of {whose} answers beside comparisons {kind} ÷ p95 alone"
            bounds[ratio] = (_p95(siege.answers) / quiet, bound)
            failed += comparisons - siege.outcomes["200"]
    print()
    return _told(
        bounds
        | {
            "most memory ever held, GiB": (siege.peak_bytes / 2**30, _MAX_BYTES / 2**30),
            "processes lost": (float(len(processes - siege.survivors)), 0.0),
            "comparisons that failed": (float(failed), 0.0),
        }
    )


def _counts(siege: Siege) -> str:
    ended = ", ".join(f"{name}: {count}" for name, count in siege.outcomes.items())
    beside = f"{len(siege.answers)} ordinary answers, p95 {_p95(siege.answers):.3f} s"
    return f"{ended}; {siege.read} references read; {beside}"


async def _watched(seconds: float) -> int:
    """Print how long /healthz takes beside each attack."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (_DESCRIPTORS, most))  # as the server has it
    with pair(DEMO / "fine-tuned", DEMO / "base") as served:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(most, 4 * _DESCRIPTORS), most))
        bounds = {
            f"p99 of /healthz under {attack}, s": (
                float(np.percentile(await _settled(served, attack, seconds), 99)),
                _MAX_HEALTH_SECONDS,
            )
            for attack in ATTACKS
        }
    return _told(bounds)


async def _settled(served: Served, attack: str, seconds: float) -> list[float]:
    looks = await health(served, attack, seconds)
    await asyncio.sleep(2)  # what was left is over before the next attack begins
    return looks


def _told(bounds: dict[str, tuple[float, float]]) -> int:
    """Print what was measured beside its bound; return 1 if one is broken."""
    print("| | measured | bound |")
    print("| --- | --- | --- |")
    for name, (measured, bound) in bounds.items():
        print(f"| {name} | {measured:.3f} | {bound:g} |")
    return int(any(measured > bound for measured, bound in bounds.values()))


async def _closed(url: httpx.URL, clients: int, requests: int, new_tokens: int) -> list[Reply]:
    """Each client asks again when it has its answer."""

    async def client(number: int) -> list[Reply]:
        return [await proxy.ask(number) for _ in range(requests)]

    with closing(_Proxy(url, new_tokens)) as proxy:
        return list(chain.from_iterable(await asyncio.gather(*map(client, range(clients)))))


async def _open(url: httpx.URL, rate: float, seconds: float, new_tokens: int) -> list[Reply]:
    """Ask at Poisson arrivals of `rate` per second."""
    gaps = np.random.default_rng(17).exponential(1 / rate, int(rate * seconds))
    with closing(_Proxy(url, new_tokens)) as proxy:
        return await _arriving(proxy, gaps)


async def _arriving(proxy: _Proxy, gaps: Floats) -> list[Reply]:
    async with asyncio.TaskGroup() as group:
        started, moment, tasks = time.perf_counter(), 0.0, []
        for number, gap in enumerate(gaps):
            moment += gap
            await asyncio.sleep(max(0.0, started + moment - time.perf_counter()))
            tasks.append(group.create_task(proxy.ask(number)))
    return [task.result() for task in tasks]


def _p95(seconds: list[float]) -> float:
    return float(np.percentile(seconds, 95)) if seconds else 0.0
