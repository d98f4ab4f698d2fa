"""A model directory appears whole or not at all."""

import shutil
import tempfile
from collections.abc import Mapping
from copy import deepcopy
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from training.errors import TrainingError


def check_replaceable(out: Path) -> None:
    """Let a run replace a model directory, and nothing else that a person may keep.

    Raises:
        TrainingError: `out` is a file, or a directory with something else in it.

    """
    if out.is_dir() and (not any(out.iterdir()) or (out / "config.json").is_file()):
        return
    if out.exists():
        raise TrainingError(f"{out} exists and is no model directory; choose another --out")


def save_model(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    out: Path,
    dtype: torch.dtype,
    records: Mapping[str, str | bytes] | None = None,
) -> None:
    """Write safetensors weights, configuration and tokenizer to `out`, replacing what is there.

    `records` are further files by name.

    Everything is written beside `out` first and moved there at the end, so that an interrupted
    or failed save leaves either the old directory or none. The model itself keeps its dtype.

    Raises:
        TrainingError: the directory cannot be written (a full disk, say), or holds other things.

    """
    check_replaceable(out)
    unfinished: Path | None = None
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        unfinished = Path(tempfile.mkdtemp(prefix=f".{out.name}-", dir=out.parent))
        saved: Any = deepcopy(model)
        saved.to(dtype)
        saved.config.use_cache = True  # the Trainer turns it off, generation wants it on
        saved.save_pretrained(unfinished)
        tokenizer.save_pretrained(unfinished)
        for name, content in (records or {}).items():
            content = content if isinstance(content, bytes) else content.encode()
            (unfinished / name).write_bytes(content)
        # mkdtemp and safetensors keep others out; a server under another user must read them.
        unfinished.chmod(0o755)
        for file in unfinished.iterdir():
            file.chmod(0o644)
        _swap(unfinished, out)
    except (OSError, RuntimeError, SafetensorError) as error:
        raise TrainingError(f"{out}: the model could not be saved: {error}") from error
    finally:
        if unfinished is not None:
            shutil.rmtree(unfinished, ignore_errors=True)


def _swap(unfinished: Path, out: Path) -> None:
    old = out.with_name(f".{out.name}-old")
    shutil.rmtree(old, ignore_errors=True)
    if out.exists():
        out.replace(old)
    unfinished.replace(out)
    shutil.rmtree(old, ignore_errors=True)
