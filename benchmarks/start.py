"""From nothing to ready, and the memory it takes: our server against a naive FastAPI app.

Both serve the same pair of models. A start is a fresh process, from its command to its first
`ready`; the first one also reads every file from the disk (root may drop the page cache, others get
no such figure). Memory is what its processes hold, what they share once, at rest and at its highest
while each model answers as many questions as a batch of ours holds; on a GPU the GPU's memory too.
"""

import argparse
import asyncio
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from pathlib import Path

import httpx
import torch

from app.model_sources import DEMO
from app.settings import Settings
from benchmarks.harness.interleaving import interleaved
from benchmarks.harness.results import Row, record, report, with_ratios
from benchmarks.harness.servers import (
    Served,
    memory_bytes,
    memory_of_each,
    naive,
    pair,
    random_gpt2,
)

_DROP_CACHES = Path("/proc/sys/vm/drop_caches")
_QUESTION = "What are the symptoms of disease number {}?"
_SAMPLE_SECONDS = 0.05
_NAIVE, _OURS = "naive FastAPI", "ours"
_PROCESSES = {
    "server": "of it the server, MB",
    "fine_tuned": "fine-tuned, MB",
    "base": "base, MB",
}
_TITLES = {
    "first": "first start, s",
    "start": "start, s",
    "rest": "memory at rest, MB",
    "full": "with full batches, MB",
    "gpu": "GPU memory, MB",
}

Start = Callable[[], AbstractContextManager[Served]]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the benchmark's options."""
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--models", nargs="+", choices=["demo", "gpt2"], default=["demo", "gpt2"])
    parser.add_argument("--new-tokens", type=int, default=32)
    parser.add_argument("--repeats", type=int, default=3)


def run(arguments: argparse.Namespace) -> int:
    """Print seconds and megabytes of both, and the ratios."""
    device = torch.device(arguments.device)
    rows: list[Row] = []
    for name in arguments.models:
        with _models(name) as models:
            servers: dict[str, Start] = {
                _NAIVE: partial(naive, *models, device=device.type),
                _OURS: partial(pair, *models, device=device.type, references="none"),
            }
            rows += _compared(name, servers, device, arguments)
    made = record(
        "start",
        f"Seconds from the command to ready, and memory with both models loaded, at rest and with "
        f"{Settings().max_running} questions to each at once; in brackets the ratio to the naive "
        f"app, median of {arguments.repeats}.",
        {
            title: f"{{{key}:.{int(title.endswith(' s'))}f}} ({{{key}_ratio:.2f}} ×)"
            for key, title in _TITLES.items()
            if any(key in row for row in rows)
        }
        | {title: f"{{{key}:.0f}}" for key, title in _PROCESSES.items()},
        rows,
        baseline=_NAIVE,
        device=device,
    )
    report(made, arguments.keep)
    return 0


@contextmanager
def _models(name: str) -> Iterator[tuple[Path, Path]]:
    if name == "demo":
        yield DEMO / "fine-tuned", DEMO / "base"
    else:
        with random_gpt2() as model:
            yield model, model


def _compared(
    models: str, servers: dict[str, Start], device: torch.device, arguments: argparse.Namespace
) -> list[Row]:
    """Return a row for each server, with the medians of its rounds."""
    cases = {
        name: partial(_once, server, device, arguments.new_tokens)
        for name, server in servers.items()
    }
    rows: list[Row] = []
    for name, made in interleaved(cases, arguments.repeats, warm_ups=0).items():
        rows.append(
            {"case": name} | {key: statistics.median(each[key] for each in made) for key in made[0]}
        )
    for key in [key for key in rows[0] if key != "case"]:
        rows = with_ratios(rows, key, _NAIVE, ratio=f"{key}_ratio")
    return [row | {"case": f"{models} pair, {row['case']}"} for row in rows]


def _once(server: Start, device: torch.device, new_tokens: int) -> dict[str, float]:
    """Start twice, from the disk and from the page cache; take the second one's memory, in MB."""
    figures = {}
    if _drop_caches():
        started = time.perf_counter()
        with server():
            figures["first"] = time.perf_counter() - started
    gpu_before = _gpu_megabytes(device)
    started = time.perf_counter()
    with server() as (url, process):
        figures["start"] = time.perf_counter() - started
        figures["rest"] = memory_bytes(process) / 1e6
        figures["full"] = asyncio.run(_highest(url, process, new_tokens))
        each = [held / 1e6 for held in memory_of_each(process)]
        if len(each) > 1:
            figures |= dict(zip(_PROCESSES, each, strict=True))
        if device.type == "cuda":
            figures["gpu"] = _gpu_megabytes(device) - gpu_before
    return figures


def _drop_caches() -> bool:
    """Make the next start read from the disk; return whether this user may."""
    try:
        _DROP_CACHES.write_text("1")
    except OSError:
        return False
    return True


async def _highest(url: httpx.URL, process: int, new_tokens: int) -> float:
    """Fill both models' batches; return the most resident memory until all have their answers."""
    clients = Settings().max_running
    async with httpx.AsyncClient(base_url=url, timeout=600) as http:
        answers = asyncio.gather(
            *(
                _ask(http, model, number, new_tokens)
                for model in ("fine-tuned", "base")
                for number in range(clients)
            )
        )
        most = 0.0
        while not answers.done():
            most = max(most, memory_bytes(process) / 1e6)
            await asyncio.sleep(_SAMPLE_SECONDS)
        await answers
    return most


async def _ask(http: httpx.AsyncClient, model: str, number: int, new_tokens: int) -> None:
    body = {"question": _QUESTION.format(number), "model": model, "max_new_tokens": new_tokens}
    (await http.post("/answer", json=body)).raise_for_status()


def _gpu_megabytes(device: torch.device) -> float:
    """Return what all processes hold of the GPU's memory."""
    if device.type != "cuda":
        return 0.0
    free, total = torch.cuda.mem_get_info(device)
    return (total - free) / 1e6
