"""A base model from the hub or a directory, ready to learn the prompt format."""

from pathlib import Path
from typing import Any

import torch
from transformers import GenerationConfig, PreTrainedModel, PreTrainedTokenizerBase

from training.errors import TrainingError
from training.pretrained import decoding_defaults, load_pretrained, name_unused
from training.prompt import END, add_format


def _dropouts(dropout: float) -> dict[str, Any]:
    """Return all that a GPT-2 or a Llama calls it."""
    names = ("resid_pdrop", "embd_pdrop", "attn_pdrop", "attention_dropout")
    return dict.fromkeys(names, dropout)


def load_base(
    base: str, revision: str | None, dropout: float
) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """Load a base model in float32, with the prompt format's tokens added.

    The new embedding rows start at the mean of the old ones: a random row would first have to
    be unlearned. How the base makes its answers is set aside: the model to be is another one.

    Raises:
        TrainingError: there is no such base, it is broken, or its tokenizer is another model's.

    """
    model, tokenizer = load_pretrained(base, revision, **_dropouts(dropout))
    _set_aside_decoding(model, base)
    embeddings: Any = model.get_input_embeddings()
    rows, old_tokens = embeddings.weight.shape[0], len(tokenizer)
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


def _set_aside_decoding(model: PreTrainedModel, base: str) -> None:
    """Forget the base's decoding defaults: transformers refuses to save some that it loads."""
    names = decoding_defaults(model)
    name_unused(base, names)
    for name in names:
        if hasattr(model.config, name):  # as models were saved before generation_config.json
            delattr(model.config, name)
    model.generation_config = GenerationConfig(bos_token_id=model.config.bos_token_id)


def load_to_go_on(
    directory: Path, dropout: float
) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """Load a fine-tuned model in float32, to be trained further.

    Raises:
        TrainingError: there is none in `directory`.

    """
    model, tokenizer = load_pretrained(str(directory), **_dropouts(dropout))
    if tokenizer.eos_token != END:
        raise TrainingError(f"{directory}: it has no {END}, so it is not fine-tuned here")
    return model, tokenizer
