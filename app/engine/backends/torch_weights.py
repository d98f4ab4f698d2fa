"""GPT-2's weights, from safetensors into plain tensors on a device.

Knows nothing about a forward pass. Matrices are kept in the model's number format, all else in
float32: embeddings, normalisation and the output head, whose logits 16 bits cannot tell apart.
"""

import json
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from app.engine.backends.gpt2_config import GPT2Config
from app.errors import CheckpointError

_PREFIX = "transformer."
"""What names begin with in a file of a whole GPT-2; one without its output head has no prefix."""


@dataclass(frozen=True, slots=True)
class Layer:
    """One block of the transformer; matrices are [in, out], as GPT-2's files hold them."""

    norm_1: tuple[Tensor, Tensor]
    attention: tuple[Tensor, Tensor]
    projection: tuple[Tensor, Tensor]
    norm_2: tuple[Tensor, Tensor]
    widening: tuple[Tensor, Tensor]
    narrowing: tuple[Tensor, Tensor]


@dataclass(frozen=True, slots=True)
class Weights:
    """All of a model's weights, on its device."""

    tokens: Tensor
    """Embeddings [vocabulary, width], float32."""
    positions: Tensor
    """Embeddings [context, width], float32."""
    layers: tuple[Layer, ...]
    norm: tuple[Tensor, Tensor]
    head: Tensor
    """Output head [vocabulary, width], float32; `tokens` itself where the two are tied."""

    @property
    def parameters(self) -> int:
        """Number of weights, tied ones counted once."""
        return sum(tensor.numel() for tensor in self._tensors())

    def _tensors(self) -> Iterator[Tensor]:
        yield from (self.tokens, self.positions, *self.norm)
        if self.head is not self.tokens:
            yield self.head
        for layer in self.layers:
            for name in Layer.__slots__:
                yield from getattr(layer, name)


def read_weights(
    directory: Path, config: GPT2Config, device: torch.device, dtype: torch.dtype
) -> Weights:
    """Read a model directory's weights, one file or several, in float32, bfloat16 or float16.

    Raises:
        CheckpointError: the files are not safetensors, or hold less, other shapes than the config
            says, or numbers that are infinite or none at all.

    """
    try:
        with ExitStack() as stack:
            files = [
                stack.enter_context(safe_open(path, "pt")) for path in _weight_files(directory)
            ]
            where = {name: file for file in files for name in file.keys()}  # noqa: SIM118 - no dict
            return _Reader(where, config, device, dtype).read()
    except (SafetensorError, OSError, ValueError) as error:
        raise CheckpointError(f"cannot be read: {type(error).__name__}: {error}") from error


def _weight_files(directory: Path) -> list[Path]:
    if (whole := directory / "model.safetensors").is_file():
        return [whole]
    index = directory / "model.safetensors.index.json"
    if not index.is_file():
        raise CheckpointError("no model.safetensors, whole or in parts")
    parts = json.loads(index.read_text())["weight_map"].values()
    return [directory / part for part in sorted(set(parts))]


class _Reader:
    """Takes tensors out of files by name, in the shape and format in which they are used."""

    def __init__(
        self,
        files: Mapping[str, safe_open],
        config: GPT2Config,
        device: torch.device,
        dtype: torch.dtype,
    ) -> None:
        self._files = files
        self._prefix = _PREFIX if f"{_PREFIX}wte.weight" in files else ""
        self._config = config
        self._device = device
        self._dtype = dtype

    def read(self) -> Weights:
        config = self._config
        if absent := [name for name in self._needed() if name not in self._files]:
            raise CheckpointError(f"its weights have missing keys: {sorted(absent)}")
        shape = [config.vocabulary, config.width]
        tokens = self._take(f"{self._prefix}wte.weight", shape, torch.float32)
        head = tokens
        if "lm_head.weight" in self._files:  # files may hold the tied one twice
            own = self._take("lm_head.weight", shape, torch.float32)
            head = tokens if torch.equal(own, tokens) else own
        positions = f"{self._prefix}wpe.weight"
        return Weights(
            tokens,
            self._take(positions, [config.context_tokens, config.width], torch.float32),
            tuple(self._layer(f"h.{layer}.") for layer in range(config.layers)),
            self._norm("ln_f"),
            head,
        )

    def _needed(self) -> Iterator[str]:
        for name in ("wte.weight", "wpe.weight", "ln_f.weight", "ln_f.bias"):
            yield self._prefix + name
        for layer in range(self._config.layers):
            for part in ("ln_1", "attn.c_attn", "attn.c_proj", "ln_2", "mlp.c_fc", "mlp.c_proj"):
                yield f"{self._prefix}h.{layer}.{part}.weight"
                yield f"{self._prefix}h.{layer}.{part}.bias"
        if not self._config.tied:
            yield "lm_head.weight"

    def _layer(self, place: str) -> Layer:
        width, inner = self._config.width, self._config.inner_width
        return Layer(
            self._norm(f"{place}ln_1"),
            self._matrix(f"{place}attn.c_attn", width, 3 * width),
            self._matrix(f"{place}attn.c_proj", width, width),
            self._norm(f"{place}ln_2"),
            self._matrix(f"{place}mlp.c_fc", width, inner),
            self._matrix(f"{place}mlp.c_proj", inner, width),
        )

    def _norm(self, place: str) -> tuple[Tensor, Tensor]:
        weight, bias = (f"{self._prefix}{place}.{part}" for part in ("weight", "bias"))
        shape = [self._config.width]
        return self._take(weight, shape, torch.float32), self._take(bias, shape, torch.float32)

    def _matrix(self, place: str, rows: int, columns: int) -> tuple[Tensor, Tensor]:
        weight, bias = (f"{self._prefix}{place}.{part}" for part in ("weight", "bias"))
        matrix = self._take(weight, [rows, columns], self._dtype)
        return matrix, self._take(bias, [columns], self._dtype)

    def _take(self, name: str, shape: list[int], dtype: torch.dtype) -> Tensor:
        stored: Tensor = self._files[name].get_tensor(name)  # type: ignore[no-untyped-call] # Rust
        if list(stored.shape) != shape:
            raise CheckpointError(
                f"its weights have mismatched keys: {name} is {list(stored.shape)}, "
                f"and config.json says {shape}"
            )
        if not bool(stored.isfinite().all()):
            raise CheckpointError(
                f"its weights hold numbers that are infinite or none at all (NaN): {name}"
            )
        # A copy: what is read is mapped from the file, which somebody may write over.
        return stored.to(self._device, dtype, copy=True)
