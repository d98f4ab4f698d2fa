"""Find, check and load a model that is served.

Knows nothing about requests, and imports no backend before it is chosen: a CPU's needs neither
torch nor transformers. A directory that must not be served is refused with the reason: pickled,
missing or misshapen weights, a tokenizer that does not fit its model.
"""

import logging
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Protocol

from app.engine.backends.gpt2 import GPT2, NotCovered, Shape
from app.engine.backends.interface import Backend
from app.engine.backends.processor import cpu_threads
from app.engine.interface import Source
from app.engine.model_files import locate, model_config, no_repeat_ngram_size
from app.engine.tokenizer import Tokenizer
from app.engine.tokenizer_files import read_tokenizer
from app.engine.weights import Weights
from app.errors import CheckpointError

logger = logging.getLogger(__name__)

_TORCH = "app.engine.backends.torch_gpt2"


class Computing(Backend, Protocol):
    """A backend that tells what it computes on, and in what."""

    @property
    def device(self) -> str:
        """`cpu`, `mps`, `cuda:0`."""

    @property
    def number_format(self) -> str:
        """The format of the matrices."""


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


def load(source: Source, *, device: str, dtype: str, threads: int, cache_tokens: int) -> Checkpoint:
    """Load a model from a directory, or from the hub or its local cache.

    Args:
        source: the directory, or the hub id and revision.
        device: `auto`, `cpu`, or what PyTorch calls another device.
        dtype: the format that matrices must have, or `auto`: the best there is for the device,
            which on a CPU is float32.
        threads: how many a CPU may use; 0: all that this process is allowed.
        cache_tokens: tokens of keys and values to keep; never less than the model's context.

    Raises:
        CheckpointError: it is not there, or it must not be served; the message names the reason.

    """
    directory, revision = locate(source)
    try:
        config = model_config(directory)
        model = GPT2(Weights(directory), Shape.of(config))
        tokenizer = read_tokenizer(directory)
        _check_vocabulary(tokenizer, model.shape)
        guard = no_repeat_ngram_size(directory, config)
        tokens = max(cache_tokens, model.shape.context_tokens)
        backend = _backend(model, device, dtype, threads or cpu_threads(), tokens)
    except CheckpointError as error:
        raise CheckpointError(f"{source.name}: {error}") from error
    if model.surplus:
        logger.warning("%s: weights that no GPT-2 has are left out: %s", source.name, model.surplus)
    checkpoint = Checkpoint(
        source.name, directory, revision, tokenizer, backend, model.parameters,
        model.shape.context_tokens, backend.device, backend.number_format, guard,
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


def _backend(model: GPT2, device: str, dtype: str, threads: int, cache_tokens: int) -> Computing:
    """Return what does the model's arithmetic: on a CPU OpenVINO, where it covers the model."""
    said = ""
    if device in ("auto", "cpu"):
        if find_spec("openvino"):
            from app.engine.backends.openvino import OpenVINO

            try:
                return OpenVINO(
                    model,
                    cache_tokens=cache_tokens,
                    number_format="float32" if dtype == "auto" else dtype,
                    threads=threads,
                )
            except NotCovered as error:
                said = str(error)
        else:
            said = "OpenVINO is not installed"
        if not find_spec("torch"):
            raise CheckpointError(f"{said}; PyTorch, which might do it, is not installed")
        logger.warning("it runs on PyTorch, and slower: %s", said)
        device = "cpu"
    loaded: Computing = import_module(_TORCH).load(
        model, device=device, dtype=dtype, threads=threads, cache_tokens=cache_tokens
    )
    return loaded


def _check_vocabulary(tokenizer: Tokenizer, shape: Shape) -> None:
    if len(tokenizer) > shape.vocabulary:
        raise CheckpointError(
            f"the tokenizer has {len(tokenizer)} tokens but the model embeds {shape.vocabulary}"
        )
    if not tokenizer.encode("What is asthma?"):
        raise CheckpointError("the tokenizer turns text into no tokens at all")
