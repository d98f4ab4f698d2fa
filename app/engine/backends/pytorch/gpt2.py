"""GPT-2 in PyTorch over a cache of blocks: the backend for CUDA, MPS, and CPUs without OpenVINO.

Knows nothing about requests or sampling. What lies between the matrices is float32 in every
format, and so is the output head: GPT-2's logits lie around -35 to -112, where 16 bits merge them.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from app.engine.backends import out_of_memory
from app.engine.backends.gpt2 import GPT2
from app.engine.backends.interface import Run
from app.engine.backends.pytorch.activations import activation
from app.engine.backends.pytorch.attention import (
    PAGED_BLOCK_TOKENS,
    Attend,
    can_page,
    gathered,
    paged,
)
from app.engine.backends.pytorch.graphs import Graphs
from app.engine.backends.pytorch.step import Layout, Step
from app.engine.backends.pytorch.weights import Layer, on_device

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
    graphs: bool = False
    """Whether decode steps are recorded; off until `python -m app check` has seen them right."""


class TorchGPT2:
    """A GPT-2 and its cache on one device; see `interface.Backend`."""

    def __init__(self, model: GPT2, computing: Computing, cache_tokens: int) -> None:
        """Read the weights, and take the memory of a cache for `cache_tokens` tokens.

        Raises:
            UnsupportedArchitecture: its activation function is not one of ours.
            CheckpointError: a weight must not be served.

        """
        self.shape = model.shape
        self._computing = computing
        self._activation = activation(model.shape.activation)
        self._paged = can_page(computing.capability, computing.dtype, model.shape.head_size)
        self._fixed_rows = computing.dtype != torch.float32
        block_tokens = PAGED_BLOCK_TOKENS if self._paged else _BLOCK_TOKENS
        self._layout = Layout(
            block_tokens,
            -(-cache_tokens // block_tokens),
            model.shape.context_tokens,
            _PRODUCT_ROWS if self._fixed_rows else 1,
            grouped=not self._paged,
        )
        self._graphs: Graphs | None = None
        self.record_graphs(computing.graphs)
        self._scales = [model.shape.attention_scale(layer) for layer in range(model.shape.layers)]
        self._weights = on_device(model, computing.device, computing.dtype)
        cache = (self.blocks + 1, block_tokens, model.shape.heads, model.shape.head_size)
        self._keys, self._values = (
            [
                torch.zeros(cache, dtype=computing.dtype, device=computing.device)
                for _ in self._weights.layers
            ]
            for _ in range(2)
        )

    @property
    def device(self) -> str:
        """What it computes on."""
        return str(self._computing.device)

    @property
    def number_format(self) -> str:
        """The format of its matrices."""
        return str(self._computing.dtype).removeprefix("torch.")

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
        recordable = self._graphs and step.shape.longest == 1
        logits = self._graphs.run(step) if self._graphs and recordable else self.compute(step)
        return logits[: step.wanted]

    def compute(self, step: Step) -> Tensor:
        """Return logits [step.shape.wanted, vocabulary]; asks the device for nothing."""
        attend = (
            paged(step, self.shape.context_tokens)
            if self._paged
            else gathered(step, self.block_tokens, self._computing.dtype)
        )
        hidden = functional.embedding(step.ids, self._weights.tokens)
        hidden += functional.embedding(step.positions, self._weights.positions)
        for place, layer in enumerate(self._weights.layers):
            hidden += self._attention(place, layer, hidden, step.slots, attend)
            hidden += self._narrowed(layer, self._widened(layer, hidden))
        return self._head(hidden.index_select(0, step.rows))

    def record_graphs(self, wanted: bool) -> bool:
        """Have decode steps recorded from now on, or not; return whether they are."""
        self._graphs = Graphs(self.compute) if wanted and self._paged else None
        return self._graphs is not None

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
        query, key, value = made.view(-1, 3, self.shape.heads, self.shape.head_size).unbind(1)
        keys, values = self._keys[place], self._values[place]
        keys.flatten(0, 1).index_copy_(0, slots, key)
        values.flatten(0, 1).index_copy_(0, slots, value)
        attended = attend(query, keys, values, self._scales[place])
        return self._product(attended.flatten(1), layer.projection)

    def _widened(self, layer: Layer, hidden: Tensor) -> Tensor:
        return self._activation(self._product(self._normed(hidden, layer.norm_2), layer.widening))

    def _narrowed(self, layer: Layer, hidden: Tensor) -> Tensor:
        return self._product(hidden, layer.narrowing)

    def _normed(self, hidden: Tensor, norm: tuple[Tensor, Tensor]) -> Tensor:
        return functional.layer_norm(hidden, hidden.shape[-1:], *norm, self.shape.epsilon)

    def _product(self, hidden: Tensor, linear: tuple[Tensor, Tensor]) -> Tensor:
        """Return rows times a matrix, plus its bias, in the matrix's format."""
        matrix, bias = linear
        hidden = hidden.to(matrix.dtype)
        return self._by_pieces(hidden, lambda rows: torch.addmm(bias, rows, matrix))

    def _head(self, hidden: Tensor) -> Tensor:
        head = self._weights.head.t()
        hidden = self._normed(hidden, self._weights.norm)
        return self._by_pieces(hidden, lambda rows: rows @ head)

    def _by_pieces(self, hidden: Tensor, product: Callable[[Tensor], Tensor]) -> Tensor:
        if not self._fixed_rows or len(hidden) <= _PRODUCT_ROWS:
            return product(hidden)
        starts = range(0, len(hidden), _PRODUCT_ROWS)
        return torch.cat([product(hidden[start : start + _PRODUCT_ROWS]) for start in starts])
