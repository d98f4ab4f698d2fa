"""The training answers as the index that a service guesses from: `training_text.npz`.

Knows nothing about how it is used. The service reads it without any code of ours: the file is all
that both know. It holds these arrays:

- `tokens` [tokens], uint16 (uint32 where the vocabulary is larger): the answers one after another,
  the end token after each
- `order` [tokens / stride], int32: where suffixes begin, every `stride`-th, sorted by what stands
  there (a suffix array: Manber & Myers 1993)
- `stride` [], int64
- `starts` [answers], int32: where each answer begins
- `topics` [answers], int32: which topic each is about
"""

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pydivsufsort
from transformers import PreTrainedTokenizerBase

from training.data.examples import read_rows
from training.errors import DataError

FILE = "training_text.npz"

_NOTEBOOK = ("notebook", "seed")  # what recipes, and records of older models, call its rows

STRIDE = 2
"""Every other suffix: of the demo pair 9 MB, and 15 MB with all of them."""


def training_text(data: Path, rows: str, tokenizer: PreTrainedTokenizerBase) -> bytes:
    """Return the file for a model that was trained on the prepared `data`.

    Args:
        data: what `prepare` wrote.
        rows: "notebook" for the original notebook's rows, else those of the train split.
        tokenizer: the model's own.

    Raises:
        DataError: the data is missing, or has no such rows.

    """
    column = "SeedRow" if rows in _NOTEBOOK else "Split"
    table = read_rows(data, ["AnswerClean", column])
    trained = table[table[column] == "train"]
    if trained.empty:
        raise DataError(f"{data / 'medquad.csv'} has no rows with {column} 'train'")
    # Where no topics are named, each answer is its own.
    topics, _ = pd.factorize(trained.get("Focus", trained.index))
    return indexed(trained["AnswerClean"].tolist(), topics.tolist(), tokenizer)


def indexed(
    answers: Sequence[str], topics: Sequence[int], tokenizer: PreTrainedTokenizerBase
) -> bytes:
    """Return the file for these answers, the topic of each beside them."""
    end = tokenizer.eos_token_id
    ids = [
        [*answer, end]
        for answer in tokenizer(
            list(answers), add_special_tokens=False, split_special_tokens=True, verbose=False
        )["input_ids"]
    ]
    tokens = np.concatenate([np.array(each, np.int64) for each in ids])
    suffixes = pydivsufsort.divsufsort(tokens)
    lengths = np.array([len(each) for each in ids])
    file = io.BytesIO()
    np.savez_compressed(
        file,
        tokens=tokens.astype(np.uint16 if len(tokenizer) <= 1 << 16 else np.uint32),
        order=suffixes[suffixes % STRIDE == 0].astype(np.int32),
        stride=np.int64(STRIDE),
        starts=(lengths.cumsum() - lengths).astype(np.int32),
        topics=np.array(topics, np.int32),
    )
    return file.getvalue()
