"""General English for the demo base: documents in a fixed order, a tokenizer, blocks of tokens.

The corpus is a JSON-lines file (optionally gzipped), one document a line with `book`, `module`
and `text`. Knows nothing about models.
"""

import gzip
import hashlib
import json
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer
from tokenizers.decoders import ByteLevel as ByteLevelDecoder
from tokenizers.models import BPE
from tokenizers.pre_tokenizers import ByteLevel
from tokenizers.trainers import BpeTrainer
from torch.utils.data import Dataset
from transformers import GPT2Tokenizer, PreTrainedTokenizerBase

from training.errors import DataError

END_OF_TEXT = "<|endoftext|>"


def documents(path: Path) -> list[str]:
    """Return the corpus's texts, shuffled by a hash of each document's own key.

    Raises:
        DataError: the file is missing or is not such a corpus; names the line.

    """
    if not path.is_file():
        raise DataError(f"{path}: no such corpus file")
    opener = gzip.open if path.suffix == ".gz" else open
    keyed: list[tuple[str, str]] = []
    try:
        with opener(path, "rt", encoding="utf-8") as lines:
            keyed.extend(_keyed(json.loads(line)) for line in lines)
    except (OSError, EOFError, zlib.error, UnicodeDecodeError) as error:  # cut off, or no text
        raise DataError(f"{path} cannot be read after line {len(keyed)}: {error}") from error
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(f"{path}, line {len(keyed) + 1}: not a corpus document") from error
    return [text for _, text in sorted(keyed)]


def _keyed(fields: dict[str, Any]) -> tuple[str, str]:
    """Return a document behind the hash that it is sorted by."""
    text = fields["text"]
    if not isinstance(text, str):
        raise TypeError("its text is no text")
    key = f"{fields['book']}/{fields['module']}"
    return hashlib.sha256(key.encode()).hexdigest(), text


def train_tokenizer(
    texts: Iterator[str], vocabulary_tokens: int, context_tokens: int
) -> PreTrainedTokenizerBase:
    """Learn a byte-level BPE as GPT-2's: same pre-tokenisation, same end-of-text token."""
    tokenizer = Tokenizer(BPE())
    tokenizer.pre_tokenizer = ByteLevel(add_prefix_space=False)
    tokenizer.decoder = ByteLevelDecoder()
    trainer = BpeTrainer(
        vocab_size=vocabulary_tokens,
        special_tokens=[END_OF_TEXT],
        initial_alphabet=ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    learned: dict[str, Any] = json.loads(tokenizer.to_str())["model"]
    merges: Any = [tuple(pair) for pair in learned["merges"]]
    rebuilt: PreTrainedTokenizerBase = GPT2Tokenizer(
        vocab=learned["vocab"],
        merges=merges,
        model_max_length=context_tokens,
    )
    return rebuilt


class Blocks(Dataset[dict[str, list[int]]]):
    """A run of tokens cut into equal blocks, each at its own place in the context.

    Short blocks train faster than the whole context; shifting every second block's positions
    still trains all of them.
    """

    def __init__(
        self, token_ids: torch.Tensor, block_tokens: int, context_tokens: int, seed: int
    ) -> None:
        self._blocks = token_ids[: len(token_ids) // block_tokens * block_tokens].view(
            -1, block_tokens
        )
        generator = torch.Generator().manual_seed(seed)
        room = context_tokens - block_tokens
        self._offsets = torch.randint(0, room + 1, (len(self._blocks),), generator=generator)
        self._offsets[::2] = 0

    def __len__(self) -> int:
        return len(self._blocks)

    def __getitem__(self, index: int) -> dict[str, list[int]]:
        ids = self._blocks[index].tolist()
        start = int(self._offsets[index])
        return {
            "input_ids": ids,
            "labels": ids,
            "position_ids": list(range(start, start + len(ids))),
        }


def token_ids(texts: list[str], tokenizer: PreTrainedTokenizerBase, wanted: int) -> torch.Tensor:
    """Return the first `wanted` token ids of the texts, each closed by end-of-text.

    Raises:
        DataError: the texts hold fewer.

    """
    ids: list[int] = []
    for text in texts:
        ids += tokenizer.encode(text, add_special_tokens=False, split_special_tokens=True)
        ids.append(tokenizer.eos_token_id)
        if len(ids) >= wanted:
            return torch.tensor(ids[:wanted])
    raise DataError(f"the corpus holds {len(ids)} tokens, the recipe needs {wanted}")
