"""Prepared pairs become training examples: token ids, labels, and nothing longer than it may be."""

import re
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import pandas as pd
from transformers import PreTrainedTokenizerBase

from training.errors import DataError
from training.prompt import Example, encode
from training.recipe import Finetuning

IGNORED = -100
"""The label that PyTorch's cross-entropy leaves out of the loss."""

_NEEDED = ["QuestionClean", "AnswerClean", "Split", "SeedRow"]
_SENTENCE_END = re.compile(r"(?<=[.?!])\s+")


class Pair(NamedTuple):
    """A question and its answer, cleaned."""

    question: str
    answer: str


def read_rows(data: Path, needed: Iterable[str] = _NEEDED) -> pd.DataFrame:
    """Return `data/medquad.csv`, all text, with at least the columns that are needed.

    Raises:
        DataError: the table is missing, or not what `prepare` writes; names the columns.
    """
    path = data / "medquad.csv"
    if not path.is_file():
        raise DataError(f"{path} is missing; `python -m training prepare --out {data}` writes it")
    try:
        table = pd.read_csv(path, dtype=str, keep_default_na=False)
    except (ValueError, OSError) as error:  # pandas' own errors are ValueErrors
        raise DataError(f"{path}: not a readable CSV: {error}; prepare it again") from error
    missing = [name for name in needed if name not in table.columns]
    if missing:
        raise DataError(f"{path} lacks the columns {', '.join(missing)}; prepare it again")
    return table


def read_pairs(data: Path, column: str, value: str) -> list[Pair]:
    """Return the pairs of `data/medquad.csv` whose `column` (`Split`, `SeedRow`) is `value`.

    Raises:
        DataError: the table is missing, not what `prepare` writes, or has no such rows.
    """
    table = read_rows(data)
    rows = table[table[column] == value]
    if rows.empty:
        why = (
            "the notebook's rows are of topics with several questions each, five to have one to "
            "validate with; choose a recipe that takes the others too (full, lora), or add such "
            "topics, named in the column Focus"
            if column == "SeedRow"
            else "its topics are too few to part, which `prepare` told of; add rows of others, "
            "named in the column Focus"
        )
        raise DataError(f"{data / 'medquad.csv'} has no rows with {column} {value!r}: {why}")
    return [Pair(*pair) for pair in zip(rows["QuestionClean"], rows["AnswerClean"], strict=True)]


def examples(
    pairs: Iterable[Pair],
    tokenizer: PreTrainedTokenizerBase,
    plan: Finetuning,
    context_tokens: int,
) -> list[dict[str, list[int]]]:
    """Return `input_ids` and `labels` for every pair that fits, or is made to.

    Raises:
        DataError: none does.

    """
    limit = min(plan.max_tokens, context_tokens)
    fitting = (_fitting(pair, tokenizer, limit, cut=plan.too_long == "cut") for pair in pairs)
    found = [example for example in fitting if example]
    if not found:
        raise DataError(f"no question with a sentence of its answer fits in {limit} tokens")
    return [
        {
            "input_ids": example.ids,
            "labels": example.ids
            if plan.loss == "sequence"
            else [IGNORED] * example.prompt_tokens + example.ids[example.prompt_tokens :],
        }
        for example in found
    ]


def sentences(text: str) -> list[str]:
    """Return a text's sentences, as their punctuation ends them."""
    return _SENTENCE_END.split(text)


def _fitting(
    pair: Pair, tokenizer: PreTrainedTokenizerBase, limit: int, *, cut: bool
) -> Example | None:
    """Return the pair's ids; None when it is too long and may not, or cannot, be cut."""
    example = encode(*pair, tokenizer)
    left = sentences(pair.answer)
    while len(example.ids) > limit:
        left.pop()
        if not cut or not left:
            return None
        example = encode(pair.question, " ".join(left), tokenizer)
    return example
