"""GPT-2's activation functions, by the names that config.json may give them.

Those with weights of their own (`prelu`, `xielu`) are not here: they need more than a function.
"""

import math
from collections.abc import Callable, Mapping
from functools import partial

import torch
from torch import Tensor
from torch.nn import functional

from app.engine.backends.gpt2 import UnsupportedArchitecture


def _quick_gelu(values: Tensor) -> Tensor:
    return values * torch.sigmoid(1.702 * values)


def _clipped_gelu(values: Tensor) -> Tensor:
    return functional.gelu(values).clip(-10, 10)


def _laplace(values: Tensor) -> Tensor:
    mean, deviation = 0.707107, 0.282095  # of MEGA's appendix, as transformers rounds them
    return 0.5 * (1.0 + torch.erf((values - mean) / (deviation * math.sqrt(2.0))))


_tanh_gelu = partial(functional.gelu, approximate="tanh")

ACTIVATIONS: Mapping[str, Callable[[Tensor], Tensor]] = {
    "gelu": functional.gelu,
    "gelu_python": functional.gelu,
    "gelu_10": _clipped_gelu,
    # One function under six names; some are written out elsewhere and round differently.
    "gelu_new": _tanh_gelu,
    "gelu_fast": _tanh_gelu,
    "gelu_accurate": _tanh_gelu,
    "gelu_pytorch_tanh": _tanh_gelu,
    "gelu_python_tanh": _tanh_gelu,
    "quick_gelu": _quick_gelu,
    "hardswish": functional.hardswish,
    "laplace": _laplace,
    "leaky_relu": functional.leaky_relu,
    "linear": lambda values: values,
    "mish": functional.mish,
    "relu": functional.relu,
    "relu2": lambda values: functional.relu(values).square(),
    "relu6": functional.relu6,
    "sigmoid": torch.sigmoid,
    "silu": functional.silu,
    "sqrtsoftplus": lambda values: functional.softplus(values).sqrt(),
    "swish": functional.silu,
    "tanh": torch.tanh,
}


def activation(name: str) -> Callable[[Tensor], Tensor]:
    """Return the function of this name.

    Raises:
        UnsupportedArchitecture: there is none.

    """
    if name not in ACTIVATIONS:
        raise UnsupportedArchitecture(f"its activation_function {name!r} is not one of ours")
    return ACTIVATIONS[name]
