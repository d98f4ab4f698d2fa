"""Find, check and load a model that is served.

Knows nothing about requests, and imports no backend before it is chosen: a CPU's needs neither
torch nor transformers. A directory that must not be served is refused with the reason: pickled,
missing or misshapen weights, a tokenizer that does not fit its model.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from app.engine.backends.choosing import Wanted, compute
from app.engine.backends.interface import Backend
from app.engine.interface import Source
from app.engine.model_files import (
    locate,
    model_config,
    no_repeat_ngram_size,
    unused_defaults,
)
from app.engine.tokenizer import Tokenizer
from app.engine.tokenizer_files import read_tokenizer
from app.errors import CheckpointError

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A model and its tokenizer, loaded and checked."""

    source: str
    directory: Path
    """Where its files are; of a hub id, in the cache."""
    revision: str | None
    tokenizer: Tokenizer
    backend: Backend
    parameters: int
    """Number of weights, tied ones counted once."""
    context_tokens: int
    """Most tokens of prompt and answer together."""
    device: str
    """What it runs on: `cpu`, `mps`, `cuda:0`."""
    dtype: str
    """Number format of its matrices, as answers are labelled with."""
    no_repeat_ngram_size: int
    """The repetition guard that it was saved with; 0: none."""


def load(
    source: Source,
    *,
    device: str,
    dtype: str,
    threads: int,
    cache_tokens: int,
    models_on_card: int = 1,
) -> Checkpoint:
    """Load a model from a directory, or from the hub or its local cache.

    Args:
        source: the directory, or the hub id and revision.
        device: `auto`, `cpu`, or what PyTorch calls another device.
        dtype: the format that matrices must have, or `auto`: the best there is for the device,
            which on a CPU is float32.
        threads: how many a CPU may use; 0: all that this process is allowed.
        cache_tokens: tokens of keys and values to keep; never less than the model's context.
        models_on_card: how many models share its card, this one included.

    Raises:
        CheckpointError: it is not there, or it must not be served; the message names the reason.

    """
    directory, revision = locate(source)
    try:
        config = model_config(directory)
        tokenizer = read_tokenizer(directory)
        guard = no_repeat_ngram_size(directory, config)
        unused = unused_defaults(directory, config, tokenizer.eos_token_id)
        wanted = Wanted(device, dtype, threads, cache_tokens, models_on_card)
        computed = compute(directory, config, wanted)
        _check_vocabulary(tokenizer, computed.vocabulary)
    except CheckpointError as error:
        raise CheckpointError(f"{source.name}: {error}") from error
    _name_unused(source.name, unused)
    backend = computed.backend
    checkpoint = Checkpoint(
        source.name, directory, revision, tokenizer, backend, computed.parameters,
        computed.context_tokens, backend.device, backend.number_format, guard,
    )  # fmt: skip
    logger.info(
        "loaded %s (%s): %.1fM parameters, %s on %s",
        source.name,
        revision or "local",
        checkpoint.parameters / 1e6,
        checkpoint.dtype,
        checkpoint.device,
    )
    return checkpoint


def _name_unused(source: str, defaults: Sequence[str]) -> None:
    if defaults:
        logger.warning(
            "%s: its generation_config.json (or config.json) sets %s, which is not used: requests "
            "say how answers are decoded, and the tokenizer's end token ends them",
            source,
            ", ".join(defaults),
        )


def _check_vocabulary(tokenizer: Tokenizer, vocabulary: int) -> None:
    if len(tokenizer) > vocabulary:
        raise CheckpointError(
            f"the tokenizer has {len(tokenizer)} tokens but the model embeds {vocabulary}"
        )
    if not tokenizer.encode("What is asthma?"):
        raise CheckpointError("the tokenizer turns text into no tokens at all")
