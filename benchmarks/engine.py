"""Ways to make tokens from one model, in one process: ours, transformers', other engines'.

The model is GPT-2's 124M shape with random weights, which costs exactly what trained ones cost.
All get the same prompts and make the same number of tokens, greedily, in interleaved rounds; the
median is shown, and for a single stream what share of the memory's speed that is: a step reads all
weights once. A long table can be made in parts, `--concurrent 16 --keep add`.
"""

import argparse
import statistics
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import torch
from transformers import AutoConfig

from app.devices import best_device
from benchmarks.bandwidth import read_bytes_per_second
from benchmarks.interleaving import interleaved, timed
from benchmarks.peers import bare_loop, ctranslate2, generate, openvino, ours
from benchmarks.peers.contract import Case, Peer, Prompts, Unsupported
from benchmarks.results import Row, record, report, with_ratios
from benchmarks.servers import random_gpt2

_PROMPT_TOKENS = 24
_PAUSE_SECONDS = 0.3  # OpenMP's threads spin a while after their work, on the next one's cores
_FORMATS = {"fp32": 4, "bf16": 2, "int8": 1}
PEERS: dict[str, Peer] = {
    "generate": generate,
    "ours": ours,
    "bare-loop": bare_loop,
    "ctranslate2": ctranslate2,
    "openvino": openvino,
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the benchmark's options."""
    parser.add_argument("--device", default="auto")
    parser.add_argument("--new-tokens", type=int, default=64)
    parser.add_argument("--concurrent", type=int, nargs="+", default=[1, 4, 8, 16, 32])
    parser.add_argument("--peers", nargs="+", choices=[*PEERS], default=[*PEERS])
    parser.add_argument("--repeats", type=int, default=3)


def run(arguments: argparse.Namespace) -> int:
    """Print tokens per second of each, and the ratio to `generate()`."""
    device = best_device(arguments.device)
    torch.manual_seed(17)
    with random_gpt2() as directory, ExitStack() as closing:
        peers = ["generate", *(name for name in arguments.peers if name != "generate")]
        cases, missing = _load([PEERS[name] for name in peers], directory, device)
        for case in cases.values():
            closing.callback(case.close)
        rows: dict[str, Row] = {name: {"case": name} for name in cases}
        columns = {}
        for concurrent in arguments.concurrent:
            for name, figures in _measure(cases, concurrent, arguments).items():
                rows[name] |= figures
            heading = f"{concurrent} at once" if concurrent > 1 else "one stream"
            columns[heading] = f"{{tokens_{concurrent}:.1f}} ({{ratio_{concurrent}:.2f}} ×)"
        limits = []
        if 1 in arguments.concurrent:
            limits = _shares(rows, cases, directory, device)
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
    peers: list[Peer], directory: Path, device: torch.device
) -> tuple[dict[str, Case], list[Row]]:
    """Return what can run here, and a row for each peer that cannot."""
    cases: dict[str, Case] = {}
    missing: list[Row] = []
    for peer in peers:
        name = " ".join(peer.PACKAGES)
        try:
            cases |= peer.cases(directory, device)
        except ImportError:
            missing.append({"case": name, "note": f"not installed: pip install {name}"})
        except Unsupported as reason:
            missing.append({"case": name, "note": str(reason)})
    return cases, missing


def _measure(
    cases: dict[str, Case], concurrent: int, arguments: argparse.Namespace
) -> dict[str, Row]:
    prompts = torch.randint(0, 4096, (concurrent, _PROMPT_TOKENS)).tolist()
    rounds = interleaved(
        {
            name: partial(_tokens_per_second, case, prompts, arguments.new_tokens)
            for name, case in cases.items()
        },
        arguments.repeats,
        pause_seconds=_PAUSE_SECONDS,
    )
    speed, ratio = f"tokens_{concurrent}", f"ratio_{concurrent}"
    rows: list[Row] = [
        {"case": name, speed: statistics.median(speeds)} for name, speeds in rounds.items()
    ]
    return {
        str(row["case"]): row for row in with_ratios(rows, speed, generate.BASELINE, ratio=ratio)
    }


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


def _shares(
    rows: dict[str, Row], cases: dict[str, Case], directory: Path, device: torch.device
) -> list[Row]:
    """Give each row its share of what the memory allows a single stream; return the limits' rows.

    Of the positions' embeddings a step reads one row; keys and values are small beside the weights.
    """
    config = AutoConfig.from_pretrained(directory)
    weights = 12 * config.n_layer * config.n_embd**2 + config.vocab_size * config.n_embd
    bandwidth = read_bytes_per_second(device)
    limits = {name: bandwidth / (weights * size) for name, size in _FORMATS.items()}
    by_size = {size: limits[name] for name, size in _FORMATS.items()}
    for name, case in cases.items():
        rows[name]["share"] = float(str(rows[name]["tokens_1"])) / by_size[case.bytes_per_weight]
    base = float(str(rows[generate.BASELINE]["tokens_1"]))
    return [
        {
            "case": f"limit of memory read at {bandwidth / 1e9:.1f} GB/s, {name}",
            "tokens_1": limit,
            "ratio_1": limit / base,
            "share": 1.0,
        }
        for name, limit in limits.items()
    ]
