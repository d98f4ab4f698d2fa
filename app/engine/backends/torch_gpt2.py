"""GPT-2 in PyTorch over a cache of blocks: the backend for CUDA, MPS, and CPUs without OpenVINO.

Knows nothing about requests or sampling. What lies between the matrices is float32 in every
format, and so is the output head: GPT-2's logits lie around -35 to -112, where 16 bits merge them.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional

from app.engine.backends import out_of_memory
from app.engine.backends.activations import activation
from app.engine.backends.gpt2_config import GPT2Config
from app.engine.backends.interface import Run
from app.engine.backends.torch_attention import (
    PAGED_BLOCK_TOKENS,
    Attend,
    can_page,
    gathered,
    paged,
)
from app.engine.backends.torch_step import Layout, Step
from app.engine.backends.torch_weights import Layer, Weights, read_weights

_BLOCK_TOKENS = 32
_PRODUCT_ROWS = 64
"""Rows of a matrix product in 16 bits. Libraries choose a kernel by the shape, and each rounds in
its own way: with one shape an answer is the same alone and in a batch."""


@dataclass(frozen=True, slots=True)
class Computing:
    """On what a model computes, and how."""

    device: torch.device
    dtype: torch.dtype
    capability: tuple[int, int] | None = None
    """Of a CUDA card; None: no such card, so no kernel that only such cards have."""


class TorchGPT2:
    """A GPT-2 and its cache on one device; see `interface.Backend`."""

    def __init__(
        self, config: GPT2Config, weights: Weights, computing: Computing, cache_tokens: int
    ) -> None:
        self.config = config
        self.weights = weights
        self._computing = computing
        self._activation = activation(config.activation)
        self._paged = can_page(computing.capability, computing.dtype, config.head_width)
        block_tokens = PAGED_BLOCK_TOKENS if self._paged else _BLOCK_TOKENS
        self._fixed_rows = computing.dtype != torch.float32
        self._layout = Layout(
            block_tokens,
            -(-cache_tokens // block_tokens),
            config.context_tokens,
            _PRODUCT_ROWS if self._fixed_rows else 1,
        )
        shape = (self.blocks + 1, block_tokens, config.heads, config.head_width)
        self._keys, self._values = (
            [
                torch.zeros(shape, dtype=computing.dtype, device=computing.device)
                for _ in weights.layers
            ]
            for _ in range(2)
        )

    @classmethod
    def load(cls, directory: Path, computing: Computing, cache_tokens: int) -> "TorchGPT2":
        """Load a model directory, with a cache for `cache_tokens` tokens of all requests together.

        Raises:
            CheckpointError: it is no GPT-2 that this can compute, or its files are not sound.

        """
        config = GPT2Config.of(directory)
        activation(config.activation)
        weights = read_weights(directory, config, computing.device, computing.dtype)
        return cls(config, weights, computing, cache_tokens)

    @property
    def block_tokens(self) -> int:
        """How many tokens' keys and values one block holds."""
        return self._layout.block_tokens

    @property
    def blocks(self) -> int:
        """How many blocks there are; they are numbered from 0."""
        return self._layout.blocks

    @torch.inference_mode()
    def forward(self, runs: Sequence[Run]) -> Tensor:
        """Read all runs in one step; see `interface.Backend.forward`.

        Returns:
            The wanted logits [sum of `wanted`, vocabulary], float32, on the model's device.

        """
        step = self._layout.step(runs, self._computing.device)
        return self.compute(step)[: step.wanted]

    def compute(self, step: Step) -> Tensor:
        """Return logits [step.shape.wanted, vocabulary]; asks the device for nothing."""
        attend = (
            paged(step, self.config.context_tokens)
            if self._paged
            else gathered(step, self.block_tokens, self._computing.dtype)
        )
        hidden = functional.embedding(step.ids, self.weights.tokens)
        hidden += functional.embedding(step.positions, self.weights.positions)
        for place, layer in enumerate(self.weights.layers):
            hidden += self._attention(place, layer, hidden, step.slots, attend)
            hidden += self._narrowed(layer, self._widened(layer, hidden))
        return self._head(hidden.index_select(0, step.rows))

    def ran_out_of_memory(self, error: Exception) -> bool:
        """Whether an error that `forward` raised says that memory ran out: the model lives on."""
        return out_of_memory.ran_out_of_memory(error)

    def _attention(
        self, place: int, layer: Layer, hidden: Tensor, slots: Tensor, attend: Attend
    ) -> Tensor:
        made = self._product(self._normed(hidden, layer.norm_1), layer.attention)
        if made.dtype == torch.float16:
            # What overflowed would make its neighbours' scores NaN through a block used again.
            made = made.nan_to_num_(0.0, 0.0, 0.0)
        query, key, value = made.view(-1, 3, self.config.heads, self.config.head_width).unbind(1)
        keys, values = self._keys[place], self._values[place]
        keys.flatten(0, 1).index_copy_(0, slots, key)
        values.flatten(0, 1).index_copy_(0, slots, value)
        attended = attend(query, keys, values, self.config.scales[place])
        return self._product(attended.flatten(1), layer.projection)

    def _widened(self, layer: Layer, hidden: Tensor) -> Tensor:
        return self._activation(self._product(self._normed(hidden, layer.norm_2), layer.widening))

    def _narrowed(self, layer: Layer, hidden: Tensor) -> Tensor:
        return self._product(hidden, layer.narrowing)

    def _normed(self, hidden: Tensor, norm: tuple[Tensor, Tensor]) -> Tensor:
        return functional.layer_norm(hidden, hidden.shape[-1:], *norm, self.config.epsilon)

    def _product(self, hidden: Tensor, linear: tuple[Tensor, Tensor]) -> Tensor:
        """Return rows times a matrix, plus its bias, in the matrix's format."""
        matrix, bias = linear
        hidden = hidden.to(matrix.dtype)
        return self._by_pieces(hidden, lambda rows: torch.addmm(bias, rows, matrix))

    def _head(self, hidden: Tensor) -> Tensor:
        head = self.weights.head.t()
        hidden = self._normed(hidden, self.weights.norm)
        return self._by_pieces(hidden, lambda rows: rows @ head)

    def _by_pieces(self, hidden: Tensor, product: Callable[[Tensor], Tensor]) -> Tensor:
        if not self._fixed_rows or len(hidden) <= _PRODUCT_ROWS:
            return product(hidden)
        starts = range(0, len(hidden), _PRODUCT_ROWS)
        return torch.cat([product(hidden[start : start + _PRODUCT_ROWS]) for start in starts])
