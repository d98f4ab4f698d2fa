"""How the engine's cost grows with question, answer, concurrency and waiting.

Without HTTP, in a process of its own, on a random GPT-2 of 124M parameters; without guesses, which
random weights would make too easy.
"""

import argparse
import asyncio
import time
from contextlib import aclosing
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from matplotlib.figure import Figure

from app.engine.admission import Limits
from app.engine.client import WorkerEngine
from app.engine.interface import Decoding
from app.settings import Settings
from benchmarks.harness import results
from benchmarks.harness.engines import running
from benchmarks.harness.servers import random_gpt2

FIGURE = Path(__file__).parent / "figures" / "growth.png"
_PROMPTS = (32, 64, 128, 256, 512, 960)
_ANSWER, _ANSWER_PIECE = 768, 128
_RUNNING = (1, 2, 4, 8, 16)
_WAITING = (0, 16, 32, 48)
_SHORT, _LONG = 64, 512
_STEPS = 12
_WAITED_ANSWER = 24


class Point(NamedTuple):
    """One measurement: how many of what, and seconds to the first token and for one more step."""

    series: str
    amount: int
    first_seconds: float | None
    step_seconds: float | None
    tokens_per_second: float | None


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the benchmark's options."""
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--dtype", default="auto")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--figure", type=Path, default=FIGURE)


def run(arguments: argparse.Namespace) -> int:
    """Print the cost of each amount, and the power that it grows with."""
    with random_gpt2() as model:
        dtype, points = asyncio.run(_measured(model, arguments))
    columns = {
        "first token, s": "{first:.3f}",
        "a further step, ms": "{step:.1f}",
        "tokens/s": "{speed:.1f}",
        "grows with the power": "{power:.2f}",
    }
    title = f"The engine's cost as what it is given grows; GPT-2 124M, {dtype}"
    results.report(
        results.record(
            "growth",
            title,
            columns,
            _rows(points),
            device=torch.device(arguments.device),
        ),
        arguments.keep,
    )
    _figure(points, arguments.figure)
    return 0


async def _measured(model: Path, arguments: argparse.Namespace) -> tuple[str, list[Point]]:
    limits = Limits(
        max_running=max(_RUNNING),
        max_waiting=max(_WAITING),
        max_batch_tokens=Settings().max_batch_tokens,
        drafts=False,
    )
    repeats = arguments.repeats
    points: list[Point] = []
    async with running(
        model,
        limits,
        device=arguments.device,
        dtype=arguments.dtype,
        threads=arguments.threads,
    ) as engine:
        await _together(engine, 1, _SHORT)
        for tokens in _PROMPTS:
            firsts = [(await _stream(engine, tokens, 1))[0] for _ in range(repeats)]
            points.append(Point("question", tokens, float(np.median(firsts)), None, None))
        times = np.array(await _stream(engine, 8, _ANSWER))
        for place in range(_ANSWER_PIECE, _ANSWER + 1, _ANSWER_PIECE):
            steps = np.diff(times[place - _ANSWER_PIECE : place])
            points.append(Point("answer", place, None, float(np.median(steps)), 1 / steps.mean()))
        points += [await _running(engine, "running, short", many, _SHORT) for many in _RUNNING]
        points += [await _running(engine, "running, long", many, _LONG) for many in _RUNNING]
        for waiting in _WAITING:
            places = limits.max_running + waiting
            answers = (_stream(engine, _SHORT, _WAITED_ANSWER) for _ in range(places))
            begun = [times[0] for times in await asyncio.gather(*answers)]
            points.append(Point("waiting", waiting, max(begun), None, None))
    return engine.checkpoint.dtype, points


async def _running(engine: WorkerEngine, series: str, many: int, prompt_tokens: int) -> Point:
    """Measure so many at once: until all have begun, and the steps after that."""
    times = await _together(engine, many, prompt_tokens)
    begun = max(each[0] for each in times)
    later = [step for each in times for step in pairwise(each) if step[0] >= begun]
    step = float(np.median([after - before for before, after in later]))
    return Point(series, many, begun, step, many / step)


async def _together(engine: WorkerEngine, many: int, prompt_tokens: int) -> list[list[float]]:
    """Return when each token of so many answers came; all go on until the last has begun."""
    begun = 0
    times: list[list[float]] = [[] for _ in range(many)]
    started = time.perf_counter()

    async def one(place: int) -> None:
        nonlocal begun
        steps = 0
        prompt = _prompt(prompt_tokens, place)
        async with aclosing(engine.generate(prompt, Decoding(_LONG - 64))) as tokens:
            async for _ in tokens:
                times[place].append(time.perf_counter() - started)
                begun += len(times[place]) == 1
                steps += begun == many
                if steps > _STEPS:
                    return

    await asyncio.gather(*map(one, range(many)))
    return times


async def _stream(engine: WorkerEngine, prompt_tokens: int, new_tokens: int) -> list[float]:
    """Return when each token of one answer came, in seconds from asking."""
    started = time.perf_counter()
    tokens = engine.generate(_prompt(prompt_tokens, 0), Decoding(new_tokens))
    return [time.perf_counter() - started async for _ in tokens]


def _prompt(tokens: int, seed: int) -> list[int]:
    """Return made-up tokens; none of them is special in the demo pair's vocabulary."""
    ids: list[int] = np.random.default_rng(seed).integers(300, 8_000, tokens).tolist()
    return ids


def _rows(points: list[Point]) -> list[results.Row]:
    rows: list[results.Row] = []
    for series in dict.fromkeys(point.series for point in points):
        chosen = [point for point in points if point.series == series]
        for point in chosen:
            row: results.Row = {"case": f"{series}: {point.amount}", "first": point.first_seconds}
            row["speed"] = point.tokens_per_second
            row["step"] = None if point.step_seconds is None else point.step_seconds * 1_000
            if point is chosen[-1]:
                row["power"] = _power(chosen)
            rows.append(row)
    return rows


def _power(points: list[Point]) -> float:
    """Return n of cost = amount ^ n over the upper half of the amounts: 1 is linear.

    The cost is the time to the first token where that was measured, else a step's.
    """
    upper = [point for point in points if point.amount][-3:]
    costs = [point.first_seconds or point.step_seconds or 0.0 for point in upper]
    return float(np.polyfit(np.log([point.amount for point in upper]), np.log(costs), 1)[0])


def _figure(points: list[Point], path: Path) -> None:
    drawing = Figure((10, 7), layout="constrained")
    question, answer, running, waiting = drawing.subplots(2, 2).flat

    def draw(plot: Any, series: str, field: str, label: str = "") -> None:
        chosen = [point for point in points if point.series == series]
        values = [getattr(point, field) for point in chosen]
        plot.plot([point.amount for point in chosen], values, marker="o", label=label)

    draw(question, "question", "first_seconds")
    question.set(title="seconds to the first token", xlabel="tokens of the prompt")
    draw(answer, "answer", "step_seconds")
    answer.set(title="seconds for a token", xlabel="tokens of the answer so far")
    for series in dict.fromkeys(point.series for point in points if "running" in point.series):
        draw(running, series, "step_seconds", series.removeprefix("running, "))
    running.set(
        title=f"seconds for a step ({_SHORT} or {_LONG} tokens each)",
        xlabel="answers made at the same time",
    )
    running.legend()
    draw(waiting, "waiting", "first_seconds")
    waiting.set(
        title="seconds to the last one's first token",
        xlabel=f"questions waiting behind {max(_RUNNING)} answers of {_WAITED_ANSWER} tokens",
    )
    for plot in (question, answer, running, waiting):
        plot.set_ylim(0, None)
    path.parent.mkdir(parents=True, exist_ok=True)
    drawing.savefig(path, dpi=110)
