"""A saved model with its tokenizer, loaded to be scored, and checked first."""

from pathlib import Path
from typing import Any, NamedTuple

import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from training.errors import TrainingError
from training.pretrained import decoding_defaults, load_pretrained, name_unused
from training.prompt import END, encode_prompt


class Loaded(NamedTuple):
    """A model with its tokenizer."""

    source: str
    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase

    @property
    def context_tokens(self) -> int:
        """Most tokens of prompt and answer together."""
        return int(self.model.config.max_position_embeddings)

    def has_room(self, question: str) -> bool:
        """Return whether a question's prompt leaves room for an answer in the context."""
        return len(encode_prompt(question, self.tokenizer)) < self.context_tokens

    @property
    def no_repeat_ngram_size(self) -> int:
        """The model's own guard against repetition; 0 for none."""
        return int(self.model.generation_config.no_repeat_ngram_size or 0)


def load(source: str, revision: str | None = None) -> Loaded:
    """Load a model for evaluation, in float32, on the GPU where there is one.

    Raises:
        TrainingError: there is no such model, its weights hold something else than numbers, or
            its tokenizer is missing or another model's.
    """
    model, tokenizer = load_pretrained(source, revision)
    names = decoding_defaults(model)
    guard = names.pop("no_repeat_ngram_size", 0)
    if not isinstance(guard, int) or guard < 0:
        raise TrainingError(
            f"{source}: no_repeat_ngram_size in generation_config.json is {guard!r}, no number of "
            "tokens"
        )
    ends = model.generation_config.eos_token_id
    if ends not in (None, tokenizer.eos_token_id, [tokenizer.eos_token_id]):
        names["eos_token_id"] = ends
    name_unused(source, names)
    device: Any = "cuda" if torch.cuda.is_available() else "cpu"
    return Loaded(source, model.to(device).eval(), tokenizer)


def load_fine_tuned(directory: Path) -> Loaded:
    """Load a directory that `finetune` saved.

    Raises:
        TrainingError: as `load`, or it is no such directory.
    """
    if not (directory / "config.json").is_file():
        raise TrainingError(f"{directory} is no model directory; `finetune` makes one")
    loaded = load(str(directory))
    if loaded.tokenizer.eos_token != END:
        raise TrainingError(
            f"{directory}: its tokenizer has no {END}, so it is not fine-tuned here"
        )
    return loaded


def shares_vocabulary(fine_tuned: Loaded, base: Loaded) -> bool:
    """Return whether every token of the base is the same token of the fine-tuned model."""
    tokens: dict[str, int] = fine_tuned.tokenizer.get_vocab()
    return base.tokenizer.get_vocab().items() <= tokens.items()
