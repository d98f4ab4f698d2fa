"""A saved model with its tokenizer, loaded to be scored, and checked first."""

from pathlib import Path
from typing import Any, NamedTuple

import torch
from safetensors import SafetensorError
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)

from training.errors import TrainingError
from training.prompt import END, encode_prompt, encode_text


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
    try:
        tokenizer = AutoTokenizer.from_pretrained(source, revision=revision)
        model: Any = AutoModelForCausalLM.from_pretrained(
            source,
            revision=revision,
            dtype=torch.float32,
            use_safetensors=True,
            attn_implementation="sdpa",
        )
    except (OSError, ValueError, RuntimeError, SafetensorError) as error:
        raise TrainingError(f"{source}: {str(error).splitlines()[0]}") from error
    rows = model.get_input_embeddings().weight.shape[0]
    if not encode_text("What is asthma?", tokenizer):
        raise TrainingError(f"{source}: it has no tokenizer, or one without a vocabulary")
    if len(tokenizer) > rows:
        raise TrainingError(
            f"{source}: its tokenizer has {len(tokenizer)} tokens, its model embeds {rows}; "
            "it is another model's"
        )
    if broken := next((name for name, value in model.named_parameters() if not _finite(value)), ""):
        raise TrainingError(f"{source}: {broken} is not all finite numbers; train it again")
    return Loaded(
        source, model.to("cuda" if torch.cuda.is_available() else "cpu").eval(), tokenizer
    )


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


def _finite(value: torch.Tensor) -> bool:
    return bool(value.isfinite().all())
