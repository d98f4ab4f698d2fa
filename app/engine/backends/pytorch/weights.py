"""GPT-2's weights as tensors on a device.

Knows nothing about files or a forward pass. Matrices are kept in the model's number format, all
else in float32: embeddings, normalisation and the output head, whose logits 16 bits would merge.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from app.engine.backends.gpt2 import GPT2
from app.engine.weights import Array


@dataclass(frozen=True, slots=True)
class Layer:
    """One block of the transformer: pairs of weight and bias; matrices are [inputs, outputs]."""

    norm_1: tuple[Tensor, Tensor]
    attention: tuple[Tensor, Tensor]
    projection: tuple[Tensor, Tensor]
    norm_2: tuple[Tensor, Tensor]
    widening: tuple[Tensor, Tensor]
    narrowing: tuple[Tensor, Tensor]


@dataclass(frozen=True, slots=True)
class DeviceWeights:
    """All of a model's weights, on its device."""

    tokens: Tensor
    """Embeddings [vocabulary, width], float32."""
    positions: Tensor
    """Embeddings [context, width], float32."""
    layers: tuple[Layer, ...]
    norm: tuple[Tensor, Tensor]
    head: Tensor
    """Output head [vocabulary, width], float32; `tokens` itself where the two are tied."""


def on_device(model: GPT2, device: torch.device, dtype: torch.dtype) -> DeviceWeights:
    """Read all of a model's weights, one after the other.

    Raises:
        CheckpointError: a weight must not be served.

    """

    def tensor(array: Array, dtype: torch.dtype = torch.float32) -> Tensor:
        return torch.from_numpy(array).to(device, dtype)

    def norm(place: str) -> tuple[Tensor, Tensor]:
        weight, bias = (model.read(f"{place}.{part}") for part in ("weight", "bias"))
        return tensor(weight), tensor(bias)

    def matrix(place: str) -> tuple[Tensor, Tensor]:
        weight, bias = (model.read(f"{place}.{part}") for part in ("weight", "bias"))
        return tensor(weight, dtype), tensor(bias, dtype)

    table, positions = model.embeddings()
    head = model.head(table)
    tokens = tensor(table)
    return DeviceWeights(
        tokens,
        tensor(positions),
        tuple(
            Layer(
                norm(f"h.{layer}.ln_1"),
                matrix(f"h.{layer}.attn.c_attn"),
                matrix(f"h.{layer}.attn.c_proj"),
                norm(f"h.{layer}.ln_2"),
                matrix(f"h.{layer}.mlp.c_fc"),
                matrix(f"h.{layer}.mlp.c_proj"),
            )
            for layer in range(model.shape.layers)
        ),
        norm("ln_f"),
        tokens if head is table else tensor(head),
    )
