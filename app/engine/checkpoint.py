"""Find, check and load the pair of models that is served.

Knows nothing about requests. A directory that must not be served is refused with the reason:
pickled weights, missing or surplus weights, a tokenizer that does not fit its model.
"""

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from huggingface_hub import snapshot_download
from huggingface_hub.errors import HFValidationError
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    PreTrainedModel,
)

from app.engine.backends.attention import BY_REQUEST
from app.engine.backends.fitting import fitted
from app.engine.backends.quantizing import number_format
from app.engine.interface import Source
from app.engine.tokenizer import Tokenizer
from app.engine.tokenizer_files import read_tokenizer
from app.errors import CheckpointError

logger = logging.getLogger(__name__)

_WEIGHTS = "*.safetensors"
_HUB_FILES = ["*.json", "*.txt", "*.jinja", "*.safetensors"]


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A model and its tokenizer, loaded and checked."""

    source: str
    directory: Path
    """Where its files are; of a hub id, in the cache."""
    revision: str | None
    model: PreTrainedModel
    tokenizer: Tokenizer
    parameters: int
    """Number of weights, tied ones counted once."""

    @property
    def context_tokens(self) -> int:
        """Most tokens of prompt and answer together."""
        return int(self.model.config.max_position_embeddings)

    @property
    def device(self) -> str:
        """What it runs on."""
        return str(self.model.device)

    @property
    def dtype(self) -> str:
        """Number format of its matrices, as answers are labelled with."""
        return number_format(self.model)

    @property
    def no_repeat_ngram_size(self) -> int:
        """The repetition guard that it was saved with; 0: none."""
        generation: Any = self.model.generation_config
        return generation.no_repeat_ngram_size or 0


def load(source: Source, device: torch.device, dtype: torch.dtype | None) -> Checkpoint:
    """Load a model from a directory, or from the hub or its local cache.

    Without a dtype it is the faster of float32 and bfloat16 on this CPU. With int8 its matrices
    are rounded once they are read.

    Raises:
        CheckpointError: it is not there, or it must not be served; the message names the reason.

    """
    directory, revision = _locate(source)
    try:
        checkpoint = _read(directory, device, dtype, source.name, revision)
        _check_vocabulary(checkpoint)
    except CheckpointError as error:
        raise CheckpointError(f"{source.name}: {error}") from error
    logger.info(
        "loaded %s (%s): %.1fM parameters, %s on %s",
        source.name,
        revision or "local",
        checkpoint.parameters / 1e6,
        checkpoint.dtype,
        device,
    )
    return checkpoint


def _locate(source: Source) -> tuple[Path, str | None]:
    """Return the directory that holds the model, and its hub commit if it has one."""
    path = Path(source.name).expanduser()
    if path.is_dir():
        return path, None
    if path.is_absolute() or source.name.startswith((".", "~")):
        raise CheckpointError(f"{source.name}: no such model directory")
    try:
        snapshot = snapshot_download(
            source.name, revision=source.revision, allow_patterns=_HUB_FILES
        )
    except HFValidationError as error:
        raise CheckpointError(f"{source.name}: no such model directory") from error
    except Exception as error:
        wanted = f"{source.name}@{source.revision or 'main'}"
        raise CheckpointError(
            f"{wanted}: not a directory here, not in the hub cache, and the hub did not give it "
            f"({_first_line(error)})"
        ) from error
    return Path(snapshot), Path(snapshot).name


def _read(
    directory: Path,
    device: torch.device,
    dtype: torch.dtype | None,
    name: str,
    revision: str | None,
) -> Checkpoint:
    _check_files(directory)
    try:
        config = AutoConfig.from_pretrained(directory, trust_remote_code=False)
        if getattr(config, "activation_function", None) == "gelu_new":
            config.activation_function = "gelu_pytorch_tanh"  # the same function in one kernel
        tokenizer = read_tokenizer(directory)
        loaded: Any = AutoModelForCausalLM.from_pretrained(
            directory,
            config=config,
            dtype=torch.float32 if dtype in (None, torch.int8) else dtype,
            attn_implementation=BY_REQUEST if device.type == "cpu" else "sdpa",
            use_safetensors=True,
            trust_remote_code=False,
            disable_mmap=True,  # or a file written over would change, or end, what is served
            output_loading_info=True,
        )
    except CheckpointError:
        raise
    except Exception as error:  # whatever three libraries raise over files that are garbage
        raise CheckpointError(f"cannot be read: {_first_line(error)}") from error
    model, report = loaded
    for kind in ("missing", "mismatched"):
        if keys := report[f"{kind}_keys"]:
            raise CheckpointError(f"its weights have {kind} keys: {sorted(keys)}")
    if not all(weight.isfinite().all() for weight in model.parameters()):
        raise CheckpointError("its weights hold numbers that are infinite or none at all (NaN)")
    parameters = int(model.num_parameters())  # now: packed matrices are no parameters
    model = model.to(device).eval()
    if device.type == "cpu":
        model = fitted(model, dtype)
    return Checkpoint(name, directory, revision, model, tokenizer, parameters)


def _check_files(directory: Path) -> None:
    if not (directory / "config.json").is_file():
        raise CheckpointError("no config.json, so this is not a model directory")
    if not any(directory.glob(_WEIGHTS)):
        pickled = [*directory.glob("*.bin"), *directory.glob("*.pt"), *directory.glob("*.pth")]
        raise CheckpointError(
            "its weights are pickled, and loading a pickle can run code; convert to safetensors"
            if pickled
            else "no weights (*.safetensors)"
        )
    if (directory / "adapter_config.json").exists():  # it may name another model, and be pickled
        raise CheckpointError("it holds an adapter; merge that into the model and save the model")


def _first_line(error: Exception) -> str:
    """Return what an error says, without the pages that some say after it."""
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__


def _check_vocabulary(checkpoint: Checkpoint) -> None:
    embeddings: Any = checkpoint.model.get_input_embeddings()
    rows = embeddings.weight.shape[0]
    if len(checkpoint.tokenizer) > rows:
        raise CheckpointError(
            f"the tokenizer has {len(checkpoint.tokenizer)} tokens but the model embeds {rows}"
        )
    if not checkpoint.tokenizer.encode("What is asthma?"):
        raise CheckpointError("the tokenizer turns text into no tokens at all")
