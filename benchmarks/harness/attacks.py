"""Requests that cost a server the most, many at a time, and what others meet meanwhile.

Knows nothing about bounds. Health is asked from a process of its own, so that what an attack costs
the one who runs it is not taken for the server's time.
"""

import asyncio
import hashlib
import itertools
import random
import socket
import string
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack, asynccontextmanager
from multiprocessing import get_context
from typing import Any, NamedTuple
from urllib.parse import quote

import httpx
import psutil

from benchmarks.harness.asking import ask, request
from benchmarks.harness.servers import Served, family

_LONGEST_SECONDS = 300.0
_SENTENCE = "Asthma narrows the airways, which makes breathing hard and brings coughing at night. "
_READ_CHARACTERS = 4_000  # 943 of the 1,024 tokens of a context, a short question beside them
_BODY_CHARACTERS = 64_000
_BREATH_SECONDS = 0.02
_IDLE = 1_100

BESIEGER, VISITOR = "besieger's key", "visitor's key"
KEYS = ",".join(hashlib.sha256(key.encode()).hexdigest() for key in (BESIEGER, VISITOR))
"""The setting that makes them two clients."""


class Siege(NamedTuple):
    """What scored comparisons did: how they ended, and seconds of ordinary answers beside them."""

    outcomes: Counter[str]
    read: int
    """Comparisons of which both models read the reference to its end."""
    answers: list[float]
    peak_bytes: int
    """The most that each process ever held, added up; what they share counts more than once."""
    survivors: set[int]
    """Those of the server's processes that are still the same ones."""


async def scored(
    served: Served, requests: int, at_once: int, *, reference: bool = True, visitor: str = VISITOR
) -> Siege:
    """Ask for so many comparisons, so many at a time, against the largest references.

    In turns one that just fits into the model's context, which it reads, and one that just fits
    into a request's body, which it has to be told is too long. `visitor` is the key of whoever asks
    for ordinary answers beside them.
    """
    processes = {each.pid for each in family(served.process)}
    numbers = iter(range(requests))
    outcomes: Counter[str] = Counter()
    read = 0

    async def client() -> None:
        nonlocal read
        for number in numbers:
            size = _READ_CHARACTERS if number % 2 else _BODY_CHARACTERS
            body: dict[str, Any] = {"question": f"What is asthma {number}?", "max_new_tokens": 64}
            if reference:
                body["reference"] = (_SENTENCE * 800)[:size]
            raw = request(served.url, "/compare", body, key=BESIEGER)
            reply = await ask(served.url, raw, timeout_seconds=_LONGEST_SECONDS)
            outcomes[reply.outcome] += 1
            read += reply.body.count(b'"bits_per_byte"') > reply.body.count(b'"bits_per_byte":null')

    async with _kept_up(ordinary(served.url, key=visitor)) as answers:
        await asyncio.gather(*(client() for _ in range(at_once)))
    left = (
        {each.pid for each in family(served.process)} if psutil.pid_exists(served.process) else {}
    )
    return Siege(outcomes, read, answers, _peak_bytes(served), processes & set(left))


async def ordinary(
    url: httpx.URL, most: int = 1_000_000, key: str = VISITOR
) -> AsyncIterator[float]:
    """Yield how long one short answer after another takes, in seconds."""
    for number in range(most):
        body = {"question": f"What causes disease {number}?", "max_new_tokens": 64}
        raw = request(url, "/answer", body, key=key)
        reply = await ask(url, raw, timeout_seconds=_LONGEST_SECONDS)
        if reply.outcome != "200":
            raise RuntimeError(f"an ordinary answer ended with {reply.outcome}")
        yield reply.seconds
        await asyncio.sleep(_BREATH_SECONDS)


@asynccontextmanager
async def _kept_up(source: AsyncIterator[float]) -> AsyncIterator[list[float]]:
    """Collect from a source for as long as the block runs."""
    collected: list[float] = []

    async def collect() -> None:
        async for each in source:
            collected.append(each)  # noqa: PERF401 - what is there when it is cancelled counts

    task = asyncio.create_task(collect())
    try:
        yield collected
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def _peak_bytes(served: Served) -> int:
    return sum(peak_bytes(each.pid) for each in family(served.process))


def peak_bytes(process: int) -> int:
    """Return the most that a process ever held in memory, as Linux tells it."""
    with open(f"/proc/{process}/status", encoding="ascii") as status:  # noqa: PTH123 - no file
        line = next(line for line in status if line.startswith("VmHWM:"))
    return int(line.split()[1]) * 1024


async def health(served: Served, attack: str, seconds: float) -> list[float]:
    """Return how long each look at /healthz took while an attack went on, in seconds."""
    loop = asyncio.get_running_loop()
    with ProcessPoolExecutor(1, get_context("spawn")) as prober:
        await loop.run_in_executor(prober, _probe, str(served.url), 0.0)  # imports are done
        async with _attacked(served.url, attack):
            await asyncio.sleep(1)
            return await loop.run_in_executor(prober, _probe, str(served.url), seconds)


def _probe(url: str, seconds: float) -> list[float]:
    """Look at /healthz again and again, each time on a new connection."""
    target = httpx.URL(url)
    raw = request(target, "/healthz")
    taken = []
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        started = time.perf_counter()
        with socket.create_connection((target.host, target.port or 80), 60) as connection:
            connection.sendall(raw)
            reply = b""
            while more := connection.recv(4096):
                reply += more
        if not reply.startswith(b"HTTP/1.1 200"):
            raise RuntimeError(f"/healthz: {reply[:60]!r}")
        taken.append(time.perf_counter() - started)
        time.sleep(_BREATH_SECONDS)
    return taken


@asynccontextmanager
async def _attacked(url: httpx.URL, attack: str) -> AsyncIterator[None]:
    with ExitStack() as held:
        if attack == "1,100 idle connections":
            for _ in range(_IDLE):
                held.enter_context(socket.create_connection((url.host, url.port or 80), 60))
        clients, raw = ATTACKS[attack]
        tasks = [asyncio.create_task(_again(url, raw, number)) for number in range(clients)]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


async def _again(url: httpx.URL, raw: Callable[[httpx.URL, int], bytes], client: int) -> None:
    for turn in itertools.count():
        await ask(url, raw(url, client + 1_000 * turn), timeout_seconds=_LONGEST_SECONDS)


def _slow_question(url: httpx.URL, number: int) -> bytes:
    question = (f"{number}: what do i do if someone has a pain in the chest " * 100)[:4_000]
    return request(url, "/answer", {"question": question, "max_new_tokens": 512})


def _large_reference(url: httpx.URL, number: int) -> bytes:
    body = {"question": f"What is asthma {number}?", "max_new_tokens": 16}
    return request(url, "/compare", body | {"reference": (_SENTENCE * 800)[:_BODY_CHARACTERS]})


def _misspelled_search(url: httpx.URL, number: int) -> bytes:
    words = " ".join(_words(random.Random(number), 100))
    return request(url, f"/references?q={quote(words)}")


def _words(drawn: random.Random, count: int) -> Iterator[str]:
    for _ in range(count):
        yield "".join(drawn.choices(string.ascii_lowercase, k=drawn.randint(8, 14)))


ATTACKS: dict[str, tuple[int, Callable[[httpx.URL, int], bytes]]] = {
    "nothing": (0, _slow_question),
    "40 slow questions": (40, _slow_question),
    "8 references of 64 KB": (8, _large_reference),
    "80 misspelled searches": (80, _misspelled_search),
    "1,100 idle connections": (0, _slow_question),
}
"""How many clients ask again and again, and what; each once it has its answer or refusal."""
