"""A model's matrices as 8-bit integers: a quarter of the bytes to read, at a cost in precision.

Weights have one scale per output, fixed at the start; activations one per token, taken as they
come (W8A8, dynamic and symmetric: Dettmers et al. 2022, without their outlier columns). A scale
per tensor, as PyTorch's own dynamic layers have it, would let an answer depend on its batch mates.
The products are summed exactly, in 32-bit integers, so the batch cannot change them either.
"""

import torch
from torch import nn
from transformers import PreTrainedModel

from app.engine.backends.packing import replace_linears
from app.engine.backends.threads import shared
from app.errors import CheckpointError

_LARGEST = 127  # symmetric: -128 is left out, so that zero stays zero
_SMALLEST_SCALE = 1e-12
# Without one of these, oneDNN adds products in 16 bits, where two large ones overflow.
_NEEDED = ("avx512_vnni", "avx_vnni", "amx_int8")


class Int8Linear(nn.Module):
    """A linear layer for inference on a CPU; `weight` has shape [outputs, inputs]."""

    def __init__(self, weight: torch.Tensor, bias: torch.Tensor | None) -> None:
        super().__init__()
        weight = weight.detach().float()
        self._bias = None if bias is None else bias.detach().float()
        self._scales = (weight.abs().amax(dim=1) / _LARGEST).clamp_(min=_SMALLEST_SCALE)
        self._zeros = torch.zeros(len(weight), dtype=torch.int64)
        rounded = (weight / self._scales[:, None]).round_().to(torch.int8)
        # Contiguous: a transposed one is taken for another matrix.
        self._packed = torch.ops.onednn.qlinear_prepack(rounded.contiguous(), None)
        self._bytes = rounded.nbytes

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """Return inputs [..., inputs] through the layer, [..., outputs], in float32."""
        scales = inputs.abs().amax(dim=-1, keepdim=True).float()
        scales.mul_(1 / _LARGEST).clamp_(min=_SMALLEST_SCALE)
        rounded = (inputs / scales).round_().to(torch.int8)
        # The operator knows one scale per tensor only: 1 here, and each token's own afterwards.
        with shared(self._bytes):
            result: torch.Tensor = torch.ops.onednn.qlinear_pointwise(
                rounded, 1.0, 0, self._packed, self._scales, self._zeros, None,
                1.0, 0, torch.float32, "none", [], "",
            )  # fmt: skip
        return result.mul_(scales) if self._bias is None else self._bias.addcmul(result, scales)


def check_int8(device: torch.device) -> None:
    """Check that int8 works on a device.

    Raises:
        CheckpointError: it is no CPU, or one without 8-bit dot products.

    """
    if device.type != "cpu":
        raise CheckpointError(f"dtype int8 runs on a CPU only, not on {device.type}")
    capabilities = torch.cpu.get_capabilities()
    if not torch.backends.mkldnn.is_available() or not any(map(capabilities.get, _NEEDED)):
        raise CheckpointError(
            "dtype int8 needs an x86 processor with 8-bit dot products (AVX-VNNI, AVX-512 VNNI or "
            "AMX) and a PyTorch with oneDNN"
        )


@torch.no_grad()
def quantize(model: PreTrainedModel) -> None:
    """Replace the linear layers of a float32 model, its output layer too; inference only."""
    replace_linears(model, Int8Linear)


def number_format(model: PreTrainedModel) -> str:
    """Return the format of a model's matrices: `int8`, or its dtype's name."""
    if isinstance(model.get_output_embeddings(), Int8Linear):
        return "int8"
    return str(model.dtype).removeprefix("torch.")
