"""What guesses save: tokens per second at GPT-2's size of what the demo pair really says.

The model is GPT-2's 124M shape with random weights; each answer is replayed token for token, as
`peers.replayed` tells. The guesses come from the prompt, the answer so far and the training answers
that lie beside the fine-tuned model, as in the service.
"""

import argparse
import statistics
from contextlib import ExitStack
from functools import partial

import torch

from benchmarks.harness.apart import apart
from benchmarks.harness.interleaving import interleaved, timed
from benchmarks.harness.results import Row, record, report, with_ratios
from benchmarks.harness.servers import random_gpt2
from benchmarks.peers import generate, replayed
from benchmarks.peers.contract import Case, Prompts
from benchmarks.peers.generate import BASELINE

_PAUSE_SECONDS = 0.3
_WARM_UP_TOKENS = 8
_KINDS = {"by itself": False, "from a passage": True}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the benchmark's options."""
    parser.add_argument("--concurrent", type=int, nargs="+", default=[1, 16])
    parser.add_argument("--repeats", type=int, default=3)


def run(arguments: argparse.Namespace) -> int:
    """Print tokens per second with guesses and without, and the ratios to `generate()`."""
    device = torch.device("cpu")
    texts = {kind: [each.prompt for each in replayed.said(read)] for kind, read in _KINDS.items()}
    columns, rows = {}, dict[str, Row]()
    with random_gpt2() as directory, ExitStack() as closing:
        cases = {
            name: case
            for peer in (generate, replayed)
            for name, case in closing.enter_context(apart(peer.__name__, directory, device)).items()
            if name == BASELINE or peer is replayed
        }
        for concurrent in arguments.concurrent:
            for kind, prompts in texts.items():
                key = f"{kind}_{concurrent}".replace(" ", "_")
                measured = _measure(cases, prompts, concurrent, arguments.repeats)
                for row in with_ratios(measured, "speed", BASELINE):
                    found = rows.setdefault(str(row["case"]), {"case": row["case"]})
                    found |= {key: row["speed"], f"{key}_ratio": row["ratio"]}
                stream = f"{concurrent} at once" if concurrent > 1 else "one stream"
                columns[f"{stream}, {kind}"] = f"{{{key}:.1f}} ({{{key}_ratio:.2f}} ×)"
    made = record(
        "drafts",
        f"Tokens per second of GPT-2's 124M shape in process, while it says the "
        f"{replayed.NEW_TOKENS} tokens that the demo pair said, by itself and from a passage; in "
        f"brackets the ratio to `generate()` in fp32 of the same run, median of "
        f"{arguments.repeats}.",
        columns,
        [*rows.values()],
        baseline=BASELINE,
        packages=replayed.PACKAGES,
        device=device,
    )
    report(made, arguments.keep)
    return 0


def _measure(cases: dict[str, Case], prompts: Prompts, concurrent: int, repeats: int) -> list[Row]:
    """Return each case's tokens per second; one stream answers several prompts in turn."""
    batches = [prompts[:concurrent]] if concurrent > 1 else [[prompt] for prompt in prompts]
    turns = {}
    for name, case in cases.items():
        given = [_of_one_length(batch) for batch in batches] if name == BASELINE else batches
        case.generate(given[0], _WARM_UP_TOKENS)
        turns[name] = timed(partial(_answer, case, given))
    rounds = interleaved(turns, repeats, warm_ups=0, pause_seconds=_PAUSE_SECONDS)
    tokens = sum(map(len, batches)) * replayed.NEW_TOKENS
    return [
        {"case": name, "speed": tokens / statistics.median(seconds)}
        for name, seconds in rounds.items()
    ]


def _answer(case: Case, batches: list[Prompts]) -> None:
    for batch in batches:
        case.generate(batch, replayed.NEW_TOKENS)


def _of_one_length(prompts: Prompts) -> Prompts:
    """Return the ends of prompts, as long as the shortest: what a plain tensor can hold."""
    length = min(map(len, prompts))
    return [prompt[-length:] for prompt in prompts]
