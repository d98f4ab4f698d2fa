"""Ways to make tokens from one model, in process: ours, transformers', other engines'.

The model is GPT-2's 124M shape with random weights, which costs exactly what trained ones cost.
Each peer has a process of its own. All get the same prompts and make the same number of tokens,
greedily, in interleaved rounds; the median is shown, and for a single stream what share of the
memory's speed that is: a step reads all weights once.
A long table can be made in parts, `--concurrent 16 --keep add`.
"""

import argparse
import statistics
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import torch
from transformers import AutoConfig

from benchmarks.harness.apart import apart
from benchmarks.harness.bandwidth import Reader
from benchmarks.harness.interleaving import interleaved, timed
from benchmarks.harness.results import Row, record, report
from benchmarks.harness.servers import random_gpt2
from benchmarks.peers import (
    bare_loop,
    ctranslate2,
    generate,
    llama_cpp,
    openvino,
    openvino_genai,
    ours,
)
from benchmarks.peers.contract import Case, Peer, Prompts, Unsupported

_PROMPT_TOKENS = 24
_PAUSE_SECONDS = 0.3  # OpenMP's threads spin a while after their work, on the next one's cores
_WARM_UP_TOKENS = 2
_MEMORY = "memory"
_FORMATS = {"fp32": 4, "bf16": 2, "int8": 1}
PEERS: dict[str, Peer] = {
    "generate": generate,
    "ours": ours,
    "bare-loop": bare_loop,
    "ctranslate2": ctranslate2,
    "openvino": openvino,
    "openvino-genai": openvino_genai,
    "llama.cpp": llama_cpp,
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the benchmark's options."""
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--new-tokens", type=int, default=64)
    parser.add_argument("--concurrent", type=int, nargs="+", default=[1, 4, 16, 32, 64])
    parser.add_argument("--peers", nargs="+", choices=[*PEERS], default=[*PEERS])
    parser.add_argument("--repeats", type=int, default=3)


def run(arguments: argparse.Namespace) -> int:
    """Print tokens per second of each, and the ratio to `generate()`."""
    device = torch.device(arguments.device)
    torch.manual_seed(17)
    with random_gpt2() as directory, ExitStack() as closing:
        peers = ["generate", *(name for name in arguments.peers if name != "generate")]
        cases, missing = _load([PEERS[name] for name in peers], directory, device, closing)
        rows: dict[str, Row] = {name: {"case": name} for name in cases}
        limits: list[Row] = []
        columns = {}
        for concurrent in arguments.concurrent:
            reader = Reader(device) if concurrent == 1 else None
            speeds = _measure(cases, reader, concurrent, arguments)
            bandwidth = speeds.pop(_MEMORY, None)
            for name, speed in speeds.items():
                rows[name] |= _figures(speed, speeds[generate.BASELINE], concurrent)
            heading = f"{concurrent} at once" if concurrent > 1 else "one stream"
            columns[heading] = f"{{tokens_{concurrent}:.1f}} ({{ratio_{concurrent}:.2f}} ×)"
            if bandwidth:
                limits = _shares(rows, cases, _weights(directory), bandwidth)
                columns["of the memory's speed"] = "{share:.0%}"
    made = record(
        "engine",
        f"Tokens per second of GPT-2's 124M shape, {_PROMPT_TOKENS} tokens of prompt and "
        f"{arguments.new_tokens} new ones, in process; in brackets the ratio to `generate()` in "
        f"fp32 of the same run, median of {arguments.repeats}.",
        columns,
        [*rows.values(), *limits, *missing],
        baseline=generate.BASELINE,
        packages=tuple(package for name in peers for package in PEERS[name].PACKAGES),
        device=device,
    )
    report(made, arguments.keep)
    return 0


def _load(
    peers: list[Peer], directory: Path, device: torch.device, closing: ExitStack
) -> tuple[dict[str, Case], list[Row]]:
    """Return what can run here, and a row for each peer that cannot."""
    cases: dict[str, Case] = {}
    missing: list[Row] = []
    for peer in peers:
        name = " ".join(peer.PACKAGES)
        try:
            cases |= closing.enter_context(apart(peer.__name__, directory, device))
        except ImportError:
            missing.append({"case": name, "note": f"not installed: pip install {name}"})
        except Unsupported as reason:
            missing.append({"case": name, "note": str(reason)})
    return cases, missing


def _measure(
    cases: dict[str, Case], reader: Reader | None, concurrent: int, arguments: argparse.Namespace
) -> dict[str, float]:
    """Return the median tokens per second of each case, and with a reader the memory's bytes."""
    prompts = torch.randint(0, 4096, (concurrent, _PROMPT_TOKENS)).tolist()
    for case in cases.values():
        case.generate(prompts, _WARM_UP_TOKENS)
    turns: dict[str, Callable[[], float]] = {
        name: partial(_tokens_per_second, case, prompts, arguments.new_tokens)
        for name, case in cases.items()
    }
    if reader:
        turns[_MEMORY] = reader.bytes_per_second
    rounds = interleaved(turns, arguments.repeats, warm_ups=0, pause_seconds=_PAUSE_SECONDS)
    return {name: statistics.median(speeds) for name, speeds in rounds.items()}


def _figures(speed: float, baseline: float, concurrent: int) -> Row:
    return {f"tokens_{concurrent}": speed, f"ratio_{concurrent}": speed / baseline}


def _tokens_per_second(case: Case, prompts: Prompts, new_tokens: int) -> float:
    """Return the speed of one round.

    Raises:
        RuntimeError: some answer has not as many tokens as it should.

    """
    answers: list[list[int]] = []
    seconds = timed(lambda: answers.extend(case.generate(prompts, new_tokens)))()
    if any(len(answer) != new_tokens for answer in answers):
        raise RuntimeError(f"answers of {sorted(map(len, answers))} tokens instead of {new_tokens}")
    return len(answers) * new_tokens / seconds


def _weights(directory: Path) -> int:
    """Return how many weights a step reads; of the positions' embeddings it reads one row."""
    config = AutoConfig.from_pretrained(directory)
    return int(12 * config.n_layer * config.n_embd**2 + config.vocab_size * config.n_embd)


def _shares(
    rows: dict[str, Row], cases: dict[str, Case], weights: int, bandwidth: float
) -> list[Row]:
    """Give each row its share of what the memory allows a single stream; return the limits' rows.

    Keys and values are small beside the weights, and not counted.
    """
    limits = {size: bandwidth / (weights * size) for size in _FORMATS.values()}
    speeds = {name: float(rows[name]["tokens_1"] or 0) for name in cases}
    for name, measured in cases.items():
        rows[name]["share"] = speeds[name] / limits[measured.bytes_per_weight]
    rows_of_limits: list[Row] = []
    for name, size in _FORMATS.items():
        case = f"limit: weights in {name} read once a token at {bandwidth / 1e9:.1f} GB/s"
        row: Row = {"case": case}
        rows_of_limits.append(row | _figures(limits[size], speeds[generate.BASELINE], 1))
    return rows_of_limits
