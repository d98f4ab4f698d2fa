"""What int8 costs: how well the demo pair predicts true answers, and how often its own change.

Each model scores the published answers of questions that no training saw, and answers the first of
them greedily, through the app's own engine: exactly, in bfloat16 and in int8. The pair is small,
so its speed says little; `python -m benchmarks engine` measures that on GPT-2's shape.
"""

import argparse
import asyncio
import random
from dataclasses import dataclass
from pathlib import Path

from app.answering.answer import ModelName
from app.answering.answerer import Answerer, Deadlines, finished
from app.answering.prompt_format import PromptFormat
from app.engine.admission import Limits
from app.engine.interface import Decoding
from app.engine.tokenizer_files import read_tokenizer
from app.errors import PromptTooLong
from app.model_sources import DEMO
from app.settings import Settings
from benchmarks.harness.engines import running
from benchmarks.harness.results import Row, record, report
from training.data.examples import Pair, read_pairs

_FORMATS = ("float32", "bfloat16", "int8")
_MODELS: tuple[ModelName, ...] = ("fine-tuned", "base")
_RUNNING = 16
_PATIENCE = Deadlines(queue_seconds=3_600.0, total_seconds=3_600.0)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the benchmark's options."""
    parser.add_argument("--models", type=Path, default=DEMO, help="holds base and fine-tuned")
    parser.add_argument("--data", type=Path, default=Path("data"), help="what `prepare` wrote")
    parser.add_argument("--split", default="test_unseen")
    parser.add_argument("--samples", type=int, default=200, help="true answers that are scored")
    parser.add_argument("--answers", type=int, default=64, help="greedy answers that are compared")
    parser.add_argument("--new-tokens", type=int, default=64)
    parser.add_argument("--seed", type=int, default=17)


def run(arguments: argparse.Namespace) -> int:
    """Print each format's bits per byte and the share of answers that it changes."""
    pairs = read_pairs(arguments.data, "Split", arguments.split)
    pairs = random.Random(arguments.seed).sample(pairs, min(arguments.samples, len(pairs)))
    pair_format = PromptFormat.of(read_tokenizer(arguments.models / "fine-tuned"))
    rows = [row for model in _MODELS for row in _compared(model, arguments, pairs, pair_format)]
    made = record(
        "int8",
        f"The demo pair in three number formats: bits per byte of true answers "
        f"({arguments.split}, {len(pairs)} drawn), and how many of {arguments.answers} greedy "
        f"answers of {arguments.new_tokens} tokens differ from the exact format's.",
        {
            "bits per byte": "{bits_per_byte:.4f}",
            "more": "{more:+.2%}",
            "answers changed": "{changed:.0%}",
        },
        rows,
        baseline=f"{_MODELS[0]}, {_FORMATS[0]}",
    )
    report(made, arguments.keep)
    return 0


@dataclass(frozen=True, slots=True)
class _Measured:
    bits_per_byte: float
    answers: list[str]


def _compared(
    model: ModelName, arguments: argparse.Namespace, pairs: list[Pair], pair_format: PromptFormat
) -> list[Row]:
    """Return a row for each format, compared with the first."""
    rows: list[Row] = []
    exact: _Measured | None = None
    for name in _FORMATS:
        measured = asyncio.run(_measure(model, name, pairs, pair_format, arguments))
        exact = exact or measured
        both = list(zip(exact.answers, measured.answers, strict=True))
        rows.append(
            {
                "case": f"{model}, {name}",
                "bits_per_byte": measured.bits_per_byte,
                "more": measured.bits_per_byte / exact.bits_per_byte - 1,
                "changed": sum(one != other for one, other in both) / len(both),
            }
        )
    return rows


async def _measure(
    model: ModelName,
    dtype: str,
    pairs: list[Pair],
    pair_format: PromptFormat,
    arguments: argparse.Namespace,
) -> _Measured:
    limits = Limits(_RUNNING, len(pairs), Settings().max_batch_tokens)
    async with running(arguments.models / model, limits, dtype=dtype) as engine:
        answerer = Answerer(model, engine, pair_format, _PATIENCE)
        return await _of(answerer, pairs, arguments)


async def _of(answerer: Answerer, pairs: list[Pair], arguments: argparse.Namespace) -> _Measured:
    bits = size = 0.0
    for question, answer in pairs:
        try:
            per_byte = await answerer.bits_per_byte(question, answer)
        except PromptTooLong:
            continue  # the same ones in every format
        if per_byte is None:
            continue  # likewise: it becomes no tokens
        size += len(answer.encode())
        bits += per_byte * len(answer.encode())
    decoding = Decoding(max_new_tokens=arguments.new_tokens)
    answers = await asyncio.gather(
        *(finished(answerer.stream(pair.question, decoding)) for pair in pairs[: arguments.answers])
    )
    return _Measured(bits / size, [answer.text for answer in answers])
