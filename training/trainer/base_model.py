"""A base model from the hub or a directory, ready to learn the prompt format."""

from typing import Any

import torch
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)

from training.errors import TrainingError
from training.prompt import add_format


def load_base(
    base: str, revision: str | None, dropout: float
) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """Load a base model in float32, with the prompt format's tokens added.

    The new embedding rows start at the mean of the old ones: a random row would first have to
    be unlearned.

    Raises:
        TrainingError: there is no such base, or it has no tokenizer or another model's.

    """
    try:
        tokenizer: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(base, revision=revision)
        model: PreTrainedModel = AutoModelForCausalLM.from_pretrained(
            base,
            revision=revision,
            dtype=torch.float32,
            use_safetensors=True,
            resid_pdrop=dropout,
            embd_pdrop=dropout,
            attn_pdrop=dropout,
        )
    except (OSError, ValueError) as error:
        raise TrainingError(f"base {base}: {str(error).splitlines()[0]}") from error
    embeddings: Any = model.get_input_embeddings()
    rows, old_tokens = embeddings.weight.shape[0], len(tokenizer)
    if not tokenizer.encode("What is asthma?", add_special_tokens=False):
        raise TrainingError(f"base {base}: it has no tokenizer, or one without a vocabulary")
    if old_tokens > rows:
        raise TrainingError(
            f"base {base}: its tokenizer has {old_tokens} tokens, its model embeds {rows}"
        )
    add_format(tokenizer)
    if len(tokenizer) > rows:
        model.resize_token_embeddings(len(tokenizer), mean_resizing=False)
        embeddings = model.get_input_embeddings()
    with torch.no_grad():
        mean = embeddings.weight[:old_tokens].mean(dim=0)
        embeddings.weight[old_tokens : len(tokenizer)] = mean
    for config in (model.config, model.generation_config):
        config.eos_token_id = tokenizer.eos_token_id
        config.pad_token_id = tokenizer.pad_token_id
    return model, tokenizer
