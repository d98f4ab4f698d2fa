"""A model's weights as its safetensors files hold them: names, shapes, float32 copies in memory.

Knows nothing about architectures. Nothing read here stays mapped to a file, so a directory that is
written over while its model is served changes nothing.
"""

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open

from app.engine.model_files import LFS_POINTER
from app.errors import CheckpointError

Array = NDArray[np.float32]

_ONE_FILE = "model.safetensors"
_INDEX = "model.safetensors.index.json"
_SHOWN_NAMES = 3
_POINTER = LFS_POINTER.encode()
_OTHERS = (".safetensors", ".gguf", ".h5", ".msgpack", ".onnx")
_PICKLED = (".bin", ".pt", ".pth", ".ckpt")
_STORED = MappingProxyType({"F64": np.float64, "F32": np.float32, "F16": np.float16})


@dataclass(frozen=True, slots=True)
class _Tensor:
    """Where one tensor lies: `offset` is bytes from the beginning of its file."""

    file: Path
    offset: int
    stored: str
    shape: tuple[int, ...]


class Weights:
    """The tensors of a model directory, of one file or of many (shards)."""

    def __init__(self, directory: Path) -> None:
        """Look into the headers; no weight is read yet.

        Raises:
            CheckpointError: there are no weights that may be served; names the file and why.

        """
        self._tensors: dict[str, _Tensor] = {}
        for file in _files(directory):
            self._tensors.update(_header(file))

    @property
    def shapes(self) -> Mapping[str, tuple[int, ...]]:
        """Every tensor's shape."""
        return {name: tensor.shape for name, tensor in self._tensors.items()}

    def read(self, name: str) -> Array:
        """Return a tensor as a new float32 array.

        Raises:
            CheckpointError: it is stored in no floating format, holds numbers that are not
                finite, or its file has gone since.

        """
        tensor = self._tensors[name]
        if tensor.stored != "BF16" and tensor.stored not in _STORED:
            raise CheckpointError(
                f"its weights are stored as {tensor.stored} ({name}); quantised models are not "
                "served, convert to float32, float16 or bfloat16"
            )
        stored = np.uint16 if tensor.stored == "BF16" else _STORED[tensor.stored]
        count = math.prod(tensor.shape)
        try:
            raw = np.fromfile(tensor.file, stored, count, offset=tensor.offset)
        except OSError as error:
            raise CheckpointError(f"{tensor.file.name} cannot be read: {error}") from error
        if raw.size != count:
            raise CheckpointError(f"{tensor.file.name} cannot be read: it has become shorter")
        if tensor.stored == "BF16":  # the upper half of a float32, which NumPy does not know
            raw = (raw.astype(np.uint32) << 16).view(np.float32)
        array: Array = raw.astype(np.float32, copy=False).reshape(tensor.shape)
        # The extremes of an array tell as much as all of it, without a copy as long as it.
        if count and not (math.isfinite(array.min()) and math.isfinite(array.max())):
            raise CheckpointError(
                f"its weights hold numbers that are infinite or none at all (NaN): {name}"
            )
        return array


def first_few(names: Iterable[str]) -> str:
    """Return how many names there are, and the first of them: a model may lack hundreds."""
    listed = sorted(names)
    more = ", …" if len(listed) > _SHOWN_NAMES else ""
    return f"{len(listed)}: {', '.join(listed[:_SHOWN_NAMES])}{more}"


def _files(directory: Path) -> list[Path]:
    """Return the files that hold a model's weights, as transformers would choose them."""
    if (directory / _ONE_FILE).is_file():
        return [directory / _ONE_FILE]
    if (directory / _INDEX).is_file():
        try:
            named = json.loads((directory / _INDEX).read_text(encoding="utf-8"))["weight_map"]
            files = [directory / name for name in sorted(set(named.values()))]
        except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
            raise CheckpointError(f"{_INDEX} cannot be read: {error!r}") from error
        for file in files:
            if file.parent != directory or not file.is_file():
                raise CheckpointError(f"{_INDEX} names {file.name}, which is not there")
        return files
    if any(file.suffix in _PICKLED for file in directory.iterdir()):
        raise CheckpointError(
            "its weights are pickled, and loading a pickle can run code; convert to safetensors"
        )
    others = sorted(file.name for file in directory.iterdir() if file.suffix in _OTHERS)
    found = f"; found {', '.join(others)}" if others else ""
    raise CheckpointError(f"no weights ({_ONE_FILE}, or shards and {_INDEX}){found}")


def _header(file: Path) -> dict[str, _Tensor]:
    """Return what a file holds, once the library has found it whole."""
    try:
        with file.open("rb") as opened:
            start = opened.read(len(_POINTER))
        if not start:
            raise CheckpointError(f"{file.name} cannot be read: it is empty")
        if start == _POINTER:
            raise CheckpointError(
                f"{file.name} cannot be read: it is a Git LFS pointer, not the weights; "
                "`git lfs pull` fetches them"
            )
        with safe_open(file, "numpy"):  # header and length agree, and nothing overlaps
            pass
        with file.open("rb") as opened:
            size = int.from_bytes(opened.read(8), "little")
            header = json.loads(opened.read(size))
    except (OSError, SafetensorError, ValueError) as error:
        raise CheckpointError(f"{file.name} cannot be read: {error}") from error
    header.pop("__metadata__", None)
    return {
        name: _Tensor(
            file, 8 + size + entry["data_offsets"][0], entry["dtype"], tuple(entry["shape"])
        )
        for name, entry in header.items()
    }
