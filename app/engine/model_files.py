"""Where a model's directory is, and what its JSON files say of it.

Knows nothing about weights or what runs them. A hub id is looked up in the hub, or in its cache.
"""

import json
from pathlib import Path
from typing import Any

from app.engine.interface import Source
from app.errors import CheckpointError

_HUB_FILES = ["*.json", "*.txt", "*.jinja", "*.safetensors", "training_text.npz"]


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
    config = _json(directory / "config.json")
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
    size = (_json(file) if file.is_file() else config).get("no_repeat_ngram_size") or 0
    if not isinstance(size, int) or size < 0:
        raise CheckpointError(f"{file.name} cannot be read: no_repeat_ngram_size is {size!r}")
    return size


def _json(file: Path) -> dict[str, Any]:
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise CheckpointError(f"{file.name} cannot be read: {_first_line(error)}") from error
    if not isinstance(content, dict):
        raise CheckpointError(f"{file.name} cannot be read: it holds no JSON object")
    return content


def _first_line(error: Exception) -> str:
    """Return what an error says, without the pages that some say after it."""
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__
