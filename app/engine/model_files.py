"""Where a model's directory is, and what its JSON files say of it.

Knows nothing about weights or what runs them. A hub id is looked up in the hub, or in its cache.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from app.engine.interface import Source
from app.errors import CheckpointError

LFS_POINTER = "version https://git-lfs"
_HUB_FILES = ["*.json", "*.txt", "*.jinja", "*.safetensors", "training_text.npz"]

_DECODING: Mapping[str, Any] = MappingProxyType(
    {
        **dict.fromkeys(("temperature", "top_p", "typical_p", "guidance_scale"), 1.0),
        **dict.fromkeys(("repetition_penalty", "encoder_repetition_penalty"), 1.0),
        **dict.fromkeys(("num_beams", "num_beam_groups", "length_penalty"), 1),
        **dict.fromkeys(("encoder_no_repeat_ngram_size", "min_length"), 0),
        **dict.fromkeys(("diversity_penalty", "epsilon_cutoff", "eta_cutoff"), 0),
        **dict.fromkeys(("do_sample", "early_stopping", "remove_invalid_values"), False),
        **dict.fromkeys(("renormalize_logits", "token_healing"), False),
        "max_length": 20,
        "top_k": 50,
        **dict.fromkeys(
            (
                *("bad_words_ids", "begin_suppress_tokens", "constraints", "dola_layers"),
                *("exponential_decay_length_penalty", "force_words_ids", "forced_bos_token_id"),
                *("forced_decoder_ids", "forced_eos_token_id", "max_new_tokens", "max_time"),
                *("min_new_tokens", "min_p"),
                *("penalty_alpha", "sequence_bias", "stop_strings", "suppress_tokens", "top_h"),
                "watermarking_config",
            )
        ),
    }
)
"""transformers' decoding options, each with the value that it has where nobody sets it."""


def locate(source: Source) -> tuple[Path, str | None]:
    """Return the directory that holds a model, and its hub commit if it has one.

    Raises:
        CheckpointError: it is no directory here, and not to be had from the hub either.

    """
    path = Path(source.name).expanduser()
    if path.is_dir():
        return path, None
    if path.is_absolute() or source.name.startswith((".", "~")):
        raise CheckpointError(f"{source.name}: no such model directory")
    # Not before it is needed: it brings an HTTP client along, which a directory has no use for.
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HFValidationError

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


def model_config(directory: Path) -> dict[str, Any]:
    """Return a model's config.json.

    Raises:
        CheckpointError: there is none, or the directory holds something else than a model.

    """
    if (directory / "adapter_config.json").exists():  # it may name another model, and be pickled
        raise CheckpointError(
            "it holds an adapter, which is no model by itself; merge it into its model (in peft: "
            "merge_and_unload) and save the whole model"
        )
    if not (directory / "config.json").is_file():
        raise CheckpointError("no config.json, so this is not a model directory")
    config = read_object(directory / "config.json")
    if config.get("quantization_config"):
        raise CheckpointError(
            "its weights are quantised (quantization_config in config.json); save the model in "
            "float32, float16 or bfloat16, and let MEDQA_DTYPE say what it is served in"
        )
    return config


def no_repeat_ngram_size(directory: Path, config: dict[str, Any]) -> int:
    """Return the repetition guard that a model was saved with; 0: none.

    Raises:
        CheckpointError: generation_config.json cannot be read.

    """
    file = directory / "generation_config.json"
    # Older directories have what concerns generation in their config.json.
    size = (read_object(file) if file.is_file() else config).get("no_repeat_ngram_size") or 0
    if not isinstance(size, int) or isinstance(size, bool) or size < 0:
        raise CheckpointError(f"{file.name} cannot be read: no_repeat_ngram_size is {size!r}")
    return size


def unused_defaults(directory: Path, config: Mapping[str, Any], end: int | None) -> list[str]:
    """Return what a model says of how its answers are made, and nothing here does by itself.

    Requests say how answers are decoded, and the tokenizer's token `end` ends them.

    Raises:
        CheckpointError: generation_config.json cannot be read.

    """
    file = directory / "generation_config.json"
    said = read_object(file) if file.is_file() else config
    unused = [
        name
        for name, nothing in _DECODING.items()
        if (value := said.get(name)) is not None and value != nothing
    ]
    if said.get("eos_token_id") not in (None, end, [end]):
        unused.append("eos_token_id")
    return sorted(unused)


def read_text(file: Path) -> str:
    """Return a text file of a model.

    Raises:
        CheckpointError: it cannot be read, or is a pointer to what was not fetched.

    """
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{file.name} cannot be read: {_first_line(error)}") from error
    if text.startswith(LFS_POINTER):
        raise CheckpointError(
            f"{file.name} cannot be read: it is a Git LFS pointer, not the file; `git lfs pull` "
            "fetches it"
        )
    return text


def read_object(file: Path) -> dict[str, Any]:
    """Return what a JSON file of a model holds.

    Raises:
        CheckpointError: it cannot be read, is empty, or holds something else than an object.

    """
    if not (text := read_text(file)):
        raise CheckpointError(f"{file.name} cannot be read: it is empty")
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise CheckpointError(f"{file.name} cannot be read: {_first_line(error)}") from error
    if not isinstance(content, dict):
        raise CheckpointError(f"{file.name} cannot be read: it holds no JSON object")
    return content


def _first_line(error: Exception) -> str:
    """Return what an error says, without the pages that some say after it."""
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__
