"""Mixed traffic on a real server for half an hour: what grows, what leaks, what fails.

First a short closed loop, which gives the capacity; then Poisson arrivals of all that clients do at
a part of it, and now and then a burst of more than the server takes on. A minute of that warms up.
Exits with 1 where something grew, a place was not given back or a response has no excuse.
"""

import argparse
import asyncio
import re
import time
from pathlib import Path
from typing import NamedTuple

import httpx

from app.model_sources import DEMO
from benchmarks.harness import results
from benchmarks.harness.asking import ask, request
from benchmarks.harness.servers import Served, family, memory_bytes, pair
from benchmarks.harness.soak_report import (
    FIGURE,
    Ended,
    Rest,
    Sample,
    Soaked,
    broken,
    figure,
    show,
    table,
)
from benchmarks.harness.traffic import Sent, Traffic

_LONGEST_SECONDS = 120.0
_SETTLE_SECONDS = 30.0


class _Plan(NamedTuple):
    """How much traffic: arrivals in a second, seconds between bursts and their requests."""

    rate: float
    burst_seconds: float
    burst: int


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the soak's options."""
    parser.add_argument("--minutes", type=float, default=30.0, help="after the warm-up")
    parser.add_argument("--warm-up-seconds", type=float, default=60.0)
    parser.add_argument("--capacity-seconds", type=float, default=10.0)
    parser.add_argument("--load", type=float, default=0.5, help="arrivals, of the capacity")
    parser.add_argument("--longest-words", type=int, default=200, help="of a question")
    parser.add_argument("--burst", type=int, default=100, help="requests at once")
    parser.add_argument("--burst-seconds", type=float, default=120.0, help="between bursts")
    parser.add_argument("--sample-seconds", type=float, default=5.0)
    parser.add_argument("--threads", type=int, default=0, help="of the server; 0: its default")
    parser.add_argument("--models", type=Path, default=DEMO, help="with fine-tuned/ and base/")
    parser.add_argument("--references", default="none", help="directory of an index")
    parser.add_argument("--figure", type=Path, default=FIGURE)


def run(arguments: argparse.Namespace) -> int:
    """Print what grew and what came back; return 1 if a bound is broken."""
    with pair(
        arguments.models / "fine-tuned",
        arguments.models / "base",
        cpu_threads=str(arguments.threads),
        references=arguments.references,
    ) as served:
        soaked = asyncio.run(soak(served, arguments))
    show(soaked)
    print()
    results.report(table(soaked), arguments.keep)
    figure(soaked, arguments.figure)
    return int(bool(broken(soaked)))


async def soak(served: Served, arguments: argparse.Namespace) -> Soaked:
    """Send the traffic that the arguments say; return all that was seen."""
    url, process = served
    traffic = Traffic(
        url,
        has_references=arguments.references != "none",
        longest_words=arguments.longest_words,
    )
    warming: list[Ended] = []
    rate = arguments.load * await _capacity(url, traffic, arguments.capacity_seconds, warming)
    plan = _Plan(rate, arguments.burst_seconds, arguments.burst)
    print(f"{rate:.1f} requests/s, {plan.burst} more each {plan.burst_seconds:.0f} s", flush=True)
    await _load(url, traffic, plan, arguments.warm_up_seconds, warming)
    before = await _at_rest(url, process)
    ended: list[Ended] = []
    samples: list[Sample] = []
    watching = asyncio.create_task(_watch(url, process, arguments.sample_seconds, samples))
    await _load(url, traffic, plan, arguments.minutes * 60, ended)
    watching.cancel()
    await asyncio.gather(watching, return_exceptions=True)
    return Soaked(rate, warming, ended, samples, before, await _at_rest(url, process))


async def _capacity(url: httpx.URL, traffic: Traffic, seconds: float, ended: list[Ended]) -> float:
    """Return the requests that end in a second when as many are open as a batch holds."""
    until = time.perf_counter() + seconds

    async def client() -> None:
        while time.perf_counter() < until:
            ended.append(await _send(url, traffic.draw()))

    await asyncio.gather(*(client() for _ in range(16)))
    return len(ended) / (seconds + time.perf_counter() - until)


async def _load(
    url: httpx.URL, traffic: Traffic, plan: _Plan, seconds: float, ended: list[Ended]
) -> None:
    """Send what arrives, whether or not earlier requests have ended; append how each ended."""
    started = time.perf_counter()
    moment, next_burst = 0.0, min(plan.burst_seconds, seconds) / 2

    async def send(sent: Sent) -> None:
        ended.append(await _send(url, sent))

    async with asyncio.TaskGroup() as group:
        while (moment := moment + traffic.gap_seconds(plan.rate)) < seconds:
            await asyncio.sleep(max(0.0, started + moment - time.perf_counter()))
            group.create_task(send(traffic.draw()))
            if moment >= next_burst:
                next_burst += plan.burst_seconds
                for _ in range(plan.burst):
                    group.create_task(send(traffic.draw()))


async def _send(url: httpx.URL, sent: Sent) -> Ended:
    began = time.perf_counter()
    try:
        timeout = sent.leave_seconds or _LONGEST_SECONDS
        reply = await ask(url, sent.raw, timeout_seconds=timeout)
        outcome = reply.outcome
    except TimeoutError:
        left = sent.leave_seconds is not None
        outcome = "left" if left else f"nothing in {_LONGEST_SECONDS:.0f} s"
    except OSError as error:
        outcome = type(error).__name__
    seconds = time.perf_counter() - began
    return Ended(began, sent.kind, outcome, seconds, outcome == "left" or outcome in sent.expected)


async def _watch(url: httpx.URL, process: int, every_seconds: float, samples: list[Sample]) -> None:
    """Append what the process holds and what /metrics says, every so often."""
    while True:
        samples.append(await _sample(url, process))
        await asyncio.sleep(every_seconds)


async def _sample(url: httpx.URL, process: int) -> Sample:
    reply = await ask(url, request(url, "/metrics"), timeout_seconds=_LONGEST_SECONDS)
    if reply.status != 200:
        raise RuntimeError(f"/metrics gave {reply.outcome}")
    text = reply.body.decode()
    processes = family(process)
    used = [each.cpu_times() for each in processes]
    return Sample(
        time.perf_counter(),
        memory_bytes(process),
        sum(each.num_fds() for each in processes),
        sum(each.num_threads() for each in processes),
        sum(each.user + each.system for each in used),
        _total(text, "medqa_running"),
        _total(text, "medqa_waiting"),
        _total(text, "medqa_completion_tokens_total"),
    )


def _total(metrics: str, name: str) -> float:
    """Return the sum of a metric over both models."""
    return sum(map(float, re.findall(rf"^{name}{{.*}} (\S+)$", metrics, re.MULTILINE)))


async def _at_rest(url: httpx.URL, process: int) -> Rest:
    """Return what the server holds once all is answered, or after a time if that never comes."""
    deadline = time.perf_counter() + _SETTLE_SECONDS
    while True:
        await asyncio.sleep(2.0)
        sample = await _sample(url, process)
        if not sample.running + sample.waiting or time.perf_counter() > deadline:
            return Rest(
                sample.memory_bytes,
                sample.descriptors,
                sample.threads,
                int(sample.running),
                int(sample.waiting),
            )
