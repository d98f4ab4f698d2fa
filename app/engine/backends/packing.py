"""A model's matrices laid out once as oneDNN reads them on a CPU, instead of at every step.

Same weights, same arithmetic, no precision lost: a step of few tokens is bound by how fast the
weights stream through the cores. The operators are those that torch.compile puts into frozen CPU
models. GPT-2's `Conv1D` keeps its matrix transposed, which is why stock tools pass it by.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from transformers import PreTrainedModel
from transformers.activations import GELUTanh
from transformers.models.gpt2.modeling_gpt2 import GPT2MLP
from transformers.pytorch_utils import Conv1D

from app.engine.backends.threads import alone_with_few_tokens, shared


class PackedLinear(nn.Module):
    """A linear layer for inference; `weight` has shape [outputs, inputs].

    With `activation` "gelu" its outputs go through GELU's tanh form on their way out.
    """

    def __init__(self, weight: torch.Tensor, bias: torch.Tensor | None) -> None:
        super().__init__()
        self.activation = "none"
        self._bias = None if bias is None else bias.detach()
        # Opaque to everything but the operator below, so it is no parameter or buffer.
        self._packed = torch.ops.mkldnn._reorder_linear_weight(weight.detach().contiguous())
        self._bytes = weight.nbytes

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """Return inputs [..., inputs] through the layer, [..., outputs]."""
        with shared(self._bytes):
            result: torch.Tensor = torch.ops.mkldnn._linear_pointwise(
                inputs, self._packed, self._bias, self.activation, [], "tanh"
            )
        return result


def can_pack(dtype: torch.dtype) -> bool:
    """Whether this build of PyTorch and this processor have packed layers in the format."""
    if not torch.backends.mkldnn.is_available():
        return False
    return dtype == torch.float32 or (
        dtype == torch.bfloat16 and bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())
    )


@torch.no_grad()
def pack(model: PreTrainedModel) -> None:
    """Replace the linear layers of a model on a CPU, its output layer too; inference only."""
    replace_linears(model, PackedLinear)
    for block in model.modules():
        if isinstance(block, GPT2MLP) and isinstance(block.act, GELUTanh):
            first: Any = block.c_fc  # a PackedLinear by now, whatever upstream declares
            first.activation, block.act = "gelu", nn.Identity()


def replace_linears(
    model: PreTrainedModel, made: Callable[[torch.Tensor, torch.Tensor | None], nn.Module]
) -> None:
    """Put what is `made` of a weight [outputs, inputs] and a bias in place of each linear layer."""
    alone_with_few_tokens(model)
    for parent in list(model.modules()):
        for name, layer in list(parent.named_children()):
            if isinstance(layer, Conv1D):
                setattr(parent, name, made(layer.weight.t(), layer.bias))
            elif isinstance(layer, nn.Linear):
                setattr(parent, name, made(layer.weight, layer.bias))
