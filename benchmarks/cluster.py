"""Two replicas on a Ray cluster of this machine; one of them is killed under load.

Needs the extra `ray` (`make cluster-test` installs it). Exits with 1 where a bound of the project
is broken: only what ran on the killed replica may fail, a flood is refused with our 429.
"""

import argparse
import asyncio
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import httpx
import psutil
import yaml

from app.errors import PROBLEM_MEDIA_TYPE
from benchmarks.harness.servers import wait_until_ready

_CONFIG = Path(__file__).parents[1] / "docker/ray.yaml"
_QUESTION = "What are the symptoms of disease number {}?"


class Stream(NamedTuple):
    """One streamed answer: when it began, had a first event and ended, and whether it was whole."""

    began: float
    first: float
    ended: float
    whole: bool


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the benchmark's options."""
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--seconds", type=float, default=20.0, help="before the kill")
    parser.add_argument("--after", type=float, default=40.0, help="seconds of load after it")
    parser.add_argument("--new-tokens", type=int, default=64)
    parser.add_argument("--flood", type=int, default=200, help="questions at once, at the end")


def run(arguments: argparse.Namespace) -> int:
    """Print what the clients saw; return 1 if a bound is broken."""
    with _cluster() as (url, process):
        asyncio.run(_load(url, arguments.clients, 5.0, arguments.new_tokens))  # warm
        streams, killed, back = asyncio.run(_load_and_kill(url, process, arguments))
        refused = asyncio.run(_flood(url, arguments.flood))
    spanning = [stream for stream in streams if stream.began < killed < stream.ended]
    lost = [stream for stream in streams if not stream.whole]
    later = [stream for stream in lost if stream.began > killed]
    print(
        f"{len(streams)} streamed answers, {arguments.clients} clients, one of two replicas killed"
    )
    print(f"running at the kill: {len(spanning)}, of them lost: {len(lost) - len(later)}")
    print(f"begun after the kill and lost: {len(later)}")
    print(f"a new replica answers after {back:.1f} s")
    for name, start, end in (
        ("before", killed - arguments.seconds, killed),
        ("with one replica", killed, killed + back),
        ("with two again", killed + back, max(stream.ended for stream in streams) - 1),
    ):
        whole = [stream for stream in streams if stream.whole and start <= stream.ended < end]
        print(f"answers/s {name}: {len(whole) / (end - start):.2f}")
    shares = [(s.first - s.began) / (s.ended - s.began) for s in streams if s.whole]
    print(f"time to the first token ÷ whole time, mean: {sum(shares) / len(shares):.2f}")
    print("flood:", ", ".join(f"{count} × {name}" for name, count in refused.items()))
    kinds = {"200", f"429 {PROBLEM_MEDIA_TYPE} with Retry-After"}
    return int(bool(later) or len(lost) >= len(spanning) or not set(refused) <= kinds)


@contextmanager
def _cluster() -> Iterator[tuple[str, psutil.Process]]:
    """Run two replicas of one core each, with the demo pair; yield URL and process."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    config = yaml.safe_load(_CONFIG.read_text(encoding="utf-8"))
    config["http_options"] = {"host": "127.0.0.1", "port": port}
    config["applications"][0]["args"] = {"min_replicas": 2, "max_replicas": 2, "num_cpus": 1}
    serve = str(Path(sys.executable).with_name("serve"))
    environment = {"RAY_USAGE_STATS_ENABLED": "0", "MEDQA_LOG_LEVEL": "warning"}
    url = f"http://127.0.0.1:{port}"
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
        yaml.safe_dump(config, file)
        file.flush()
        process = subprocess.Popen([serve, "run", file.name], env=os.environ | environment)
        try:
            wait_until_ready(httpx.URL(f"{url}/readyz"), process)
            yield url, psutil.Process(process.pid)
        finally:
            process.send_signal(signal.SIGINT)  # what `serve run` takes as the order to tidy up
            process.wait(timeout=60)


def _replicas(process: psutil.Process) -> list[psutil.Process]:
    """Return the processes of the replicas, which Ray names after their class."""
    found = []
    for child in process.children(recursive=True):
        try:
            if child.cmdline() and child.cmdline()[0].startswith("ray::ServeReplica"):
                found.append(child)
        except psutil.Error:
            continue
    return found


async def _load_and_kill(
    url: str, process: psutil.Process, arguments: argparse.Namespace
) -> tuple[list[Stream], float, float]:
    """Return the streams, when a replica was killed, and seconds until a new one answered."""
    seconds = arguments.seconds + arguments.after
    load = asyncio.create_task(_load(url, arguments.clients, seconds, arguments.new_tokens))
    await asyncio.sleep(arguments.seconds)
    known: set[str] = set()
    while len(known) < 2:
        known.add(await _who_answers(url))
    killed = time.perf_counter()
    _replicas(process)[0].kill()
    while await _who_answers(url) in known | {""}:  # noqa: ASYNC110 - a state, as for any client
        await asyncio.sleep(0.1)
    back = time.perf_counter() - killed
    return await load, killed, back


async def _who_answers(url: str) -> str:
    """Return when the replica that a request happens to reach was started, or "" for no answer."""
    async with httpx.AsyncClient(base_url=url, timeout=10) as http:  # a connection of its own
        try:
            text = (await http.get("/metrics")).text
        except httpx.HTTPError:
            return ""
    found = re.search(r"^process_start_time_seconds (\S+)$", text, re.MULTILINE)
    return found[1] if found else ""


async def _load(url: str, clients: int, seconds: float, new_tokens: int) -> list[Stream]:
    """Each client asks again when it has its answer, or lost it."""
    streams: list[Stream] = []
    until = time.perf_counter() + seconds

    async def client(number: int) -> None:
        while time.perf_counter() < until:
            streams.append(await _stream(http, number, new_tokens))

    async with httpx.AsyncClient(base_url=url, timeout=60) as http:
        await asyncio.gather(*map(client, range(clients)))
    return streams


async def _stream(http: httpx.AsyncClient, number: int, new_tokens: int) -> Stream:
    began, first, events = time.perf_counter(), 0.0, [""]
    body = {"question": _QUESTION.format(number), "model": "base", "max_new_tokens": new_tokens}
    try:
        async with http.stream("POST", "/answer", json=body | {"stream": True}) as response:
            async for line in response.aiter_lines():
                first = first or time.perf_counter()
                if line.startswith("event:"):
                    events.append(line)
    except httpx.HTTPError:
        pass
    return Stream(began, first, time.perf_counter(), events[-1] == "event: done")


async def _flood(url: str, questions: int) -> dict[str, int]:
    """Ask everything at once; return how often which kind of response came."""
    limits = httpx.Limits(max_connections=None)
    async with httpx.AsyncClient(base_url=url, timeout=120, limits=limits) as http:
        body = {"question": _QUESTION.format(1), "max_new_tokens": 64}
        replies = await asyncio.gather(*(http.post("/answer", json=body) for _ in range(questions)))
    kinds: dict[str, int] = {}
    for reply in replies:
        kind = str(reply.status_code)
        if kind != "200":
            kind += f" {reply.headers.get('content-type')}"
            kind += " with Retry-After" if "retry-after" in reply.headers else ""
        if len(reply.headers.get_list("x-request-id")) != 1:
            kind += " without one X-Request-ID"
        kinds[kind] = kinds.get(kind, 0) + 1
    return kinds
