"""The files of a model directory, looked at before any library reads them.

What is damaged or was not fetched is told by its name. Knows nothing about what a GPT-2 is.
"""

import json
from collections.abc import Iterable
from pathlib import Path

from safetensors import SafetensorError, safe_open

from training.errors import TrainingError

OLD_BUFFERS = (".attn.bias", ".attn.masked_bias")
"""Masks that early versions saved with the weights."""
_FLOATING = frozenset({"F64", "F32", "F16", "BF16"})
_PICKLED = (".bin", ".pt", ".pth", ".ckpt")
_LFS_POINTER = b"version https://git-lfs"
_JSON_FILES = frozenset(
    {
        "added_tokens.json",
        "config.json",
        "generation_config.json",
        "model.safetensors.index.json",
        "special_tokens_map.json",
        "tokenizer.json",
        "tokenizer_config.json",
        "vocab.json",
    }
)
_READ = (".safetensors", ".json", ".txt", ".jinja")
_SHOWN_NAMES = 3


def check_files(directory: Path) -> None:
    """Refuse a directory that is no model's, or whose files are damaged.

    Raises:
        TrainingError: it is; names the file and the remedy.

    """
    if (directory / "adapter_config.json").exists():
        raise TrainingError(
            f"{directory}: it holds an adapter; merge that into its model (in peft: "
            "merge_and_unload) and save the whole model"
        )
    if not (directory / "config.json").is_file():
        raise TrainingError(f"{directory} is no model directory: it has no config.json")
    for path in sorted(directory.iterdir()):
        if path.suffix in _READ:
            _check_file(path)
    pickled = [path.name for path in directory.iterdir() if path.suffix in _PICKLED]
    if pickled and not any(directory.glob("*.safetensors")):
        raise TrainingError(
            f"{directory}: its weights are pickled ({some(pickled)}), and loading a pickle can "
            "run code; convert to safetensors"
        )


def some(names: Iterable[str]) -> str:
    """Return the first few of many names."""
    listed = sorted(names)
    return ", ".join(listed[:_SHOWN_NAMES]) + (", …" if len(listed) > _SHOWN_NAMES else "")


def _check_file(path: Path) -> None:
    if not path.is_file():  # opening a pipe would wait for whoever writes
        raise TrainingError(f"{path} cannot be read: it is no file")
    try:
        with path.open("rb") as file:
            beginning = file.read(len(_LFS_POINTER))
    except OSError as error:
        raise TrainingError(f"{path} cannot be read: {error}") from error
    if beginning == _LFS_POINTER:
        raise TrainingError(f"{path} is a pointer of Git LFS: `git lfs pull` fetches the file")
    if not beginning:
        raise TrainingError(f"{path} is empty: copy it again")
    if path.name in _JSON_FILES:
        _check_json(path)
    if path.suffix == ".safetensors":
        _check_number_format(path)


def _check_number_format(path: Path) -> None:
    """Refuse weights that are no floating numbers: transformers would take codes for values."""
    try:
        with safe_open(path, "pt") as file:
            stored = {name: file.get_slice(name).get_dtype() for name in file.keys()}  # noqa: SIM118 - no mapping
    except (OSError, SafetensorError) as error:
        raise TrainingError(f"{path} cannot be read ({error}); fetch or save it again") from error
    coded = {
        name: kind
        for name, kind in stored.items()
        if kind not in _FLOATING and not name.endswith(OLD_BUFFERS)
    }
    if coded:
        raise TrainingError(
            f"{path}: its weights are stored as {next(iter(coded.values()))} ({some(coded)}); "
            "give a model in float32, float16 or bfloat16"
        )


def _check_json(path: Path) -> None:
    """Refuse a file that is damaged: transformers passes over some of them without a word."""
    try:
        dict(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError, RecursionError) as error:
        raise TrainingError(
            f"{path} is damaged ({str(error).splitlines()[0]}): copy it again"
        ) from error
