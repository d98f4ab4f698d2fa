"""GPT-2 as OpenVINO graphs: the layers, with paged attention, and the output head apart.

Knows nothing about requests, blocks or memory. The head stands apart so that it is computed for
wanted rows only, and in float32 whatever the layers are in: GPT-2's logits lie around -35 to -112,
where bfloat16 has steps of a quarter. Embeddings are looked up outside, in the head's own table.
Sources: https://docs.openvino.ai (opset 15); the operator PagedAttentionExtension of OpenVINO
2026.4, src/core/src/op/paged_attention.cpp.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from types import MappingProxyType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from app.engine.backends.gpt2 import GPT2, NotCovered, Shape
from app.engine.backends.openvino_runtime import Constant, PagedAttention, op, ov
from app.engine.weights import Array

BLOCK_TOKENS = 32
"""Tokens in a block of keys and values: what the CPU plugin's kernels are written for."""

_LARGEST = 127  # -128 is left out
_SMALLEST_SCALE = 1e-12


@dataclass(frozen=True, slots=True)
class Rounded:
    """A matrix as 8-bit numbers and a scale for each output (symmetric, so zero stays zero)."""

    numbers: NDArray[np.int8]
    scale: Array

    @classmethod
    def of(cls, weight: Array, axis: int) -> Self:
        """Round a matrix; one output's weights lie along `axis`."""
        largest = np.maximum(weight.max(axis, keepdims=True), -weight.min(axis, keepdims=True))
        scale = np.maximum(largest / _LARGEST, _SMALLEST_SCALE).astype(np.float32)
        return cls(np.rint(weight / scale).astype(np.int8), scale)

    def __getitem__(self, rows: Sequence[int]) -> Array:
        """Return rows as they are meant, float32; there must be a scale for each."""
        found: Array = self.numbers[rows] * self.scale[rows]
        return found


@dataclass(frozen=True, slots=True)
class Graphs:
    """A model in two graphs.

    `layers` turns `hidden` [tokens, width] into the same after all layers; its other inputs are
    each request's part of the tokens and its blocks, and two caches a layer. `head` turns rows of
    that into logits [rows, vocabulary].
    """

    layers: ov.Model
    head: ov.Model


def graphs(model: GPT2, head: Array | Rounded) -> Graphs:
    """Build a model's graphs; `head` is the output head, and if it is rounded all matrices are.

    The graphs share the memory of the arrays that they were built from.

    Raises:
        NotCovered: its activation function is not written out here.
        CheckpointError: a weight cannot be read, or is not finite.

    """
    inputs = _Inputs.new(model.shape)
    hidden = inputs.hidden
    for layer in range(model.shape.layers):
        hidden = _layer(model, layer, hidden, inputs, int8=isinstance(head, Rounded))
    layers = ov.Model([op.result(hidden)], [*inputs.all()], "layers")
    rows = _parameter("rows", [-1, model.shape.width], ov.Type.f32)
    logits = op.matmul(_norm(model, "ln_f", rows), _matrix(head), False, True)
    return Graphs(layers, ov.Model([op.result(logits)], [rows], "head"))


@dataclass(frozen=True, slots=True)
class _Inputs:
    hidden: Any
    requests: Mapping[str, Any]
    caches: tuple[tuple[Any, Any], ...]

    @classmethod
    def new(cls, shape: Shape) -> "_Inputs":
        names = ("past_lens", "subsequence_begins", "block_indices", "block_indices_begins")
        requests = {name: _parameter(name, [-1], ov.Type.i32) for name in names}
        requests["max_context_len"] = _parameter("max_context_len", [], ov.Type.i32)
        block = [-1, shape.heads, BLOCK_TOKENS, shape.head_size]
        caches = tuple(
            (
                _parameter(f"key_cache.{layer}", block, ov.Type.dynamic),
                _parameter(f"value_cache.{layer}", block, ov.Type.dynamic),
            )
            for layer in range(shape.layers)
        )
        return cls(_parameter("hidden", [-1, shape.width], ov.Type.f32), requests, caches)

    def all(self) -> list[Any]:
        return [self.hidden, *self.requests.values(), *chain.from_iterable(self.caches)]


def _layer(model: GPT2, layer: int, hidden: Any, inputs: _Inputs, *, int8: bool) -> Any:
    def linear(rows: Any, name: str) -> Any:
        weight, bias = (model.read(f"h.{layer}.{name}.{each}") for each in ("weight", "bias"))
        matrix = _matrix(Rounded.of(weight, 0) if int8 else weight)
        return op.add(op.matmul(rows, matrix, False, False), op.constant(bias[None]))

    mixed = linear(_norm(model, f"h.{layer}.ln_1", hidden), "attn.c_attn")
    attended = _attention(model.shape, layer, mixed, inputs)
    hidden = op.add(hidden, linear(attended, "attn.c_proj"))
    inner = linear(_norm(model, f"h.{layer}.ln_2", hidden), "mlp.c_fc")
    return op.add(hidden, linear(activation(model.shape.activation)(inner), "mlp.c_proj"))


def _norm(model: GPT2, name: str, rows: Any) -> Any:
    gain, shift = (op.constant(model.read(f"{name}.{each}")[None]) for each in ("weight", "bias"))
    axes = np.array([-1], np.int64)
    normal = op.mvn(rows, axes, True, model.shape.epsilon, "inside_sqrt")
    return op.add(op.multiply(normal, gain), shift)


def _attention(shape: Shape, layer: int, mixed: Any, inputs: _Inputs) -> Any:
    """Return what each token attends to; writes the new keys and values into their blocks."""
    requests = inputs.requests
    no_numbers, nothing, zero = _ints([]), _floats([]), _ints(0)
    given = [
        *op.split(mixed, op.constant(1), 3).outputs(),  # queries, keys, values
        *inputs.caches[layer],
        *(requests[name] for name in ("past_lens", "subsequence_begins")),
        *(requests[name] for name in ("block_indices", "block_indices_begins")),
        _floats(shape.attention_scale(layer)),
        zero,  # sliding window
        nothing,  # ALiBi slopes
        requests["max_context_len"],
        no_numbers,  # score aggregation
        *(no_numbers, no_numbers, nothing),  # rotation of blocks
        *(nothing, zero, zero),  # sparse attention (XAttention)
        op.constant(np.zeros((0, 0, 0, 0), np.float32)),  # sinks
        *(zero, no_numbers, no_numbers, no_numbers),  # adaptive eviction (R-KV)
        *(no_numbers, op.constant(np.zeros(0, np.uint8)), no_numbers),  # biases between queries
    ]
    attention = PagedAttention(
        [each if isinstance(each, ov.Output) else each.output(0) for each in given]
    )
    sizes = attention.get_rt_info()  # the plugin lays out its caches by these
    for name in ("k", "v"):
        sizes[f"num_{name}_heads"] = shape.heads
        sizes[f"{name}_head_size"] = shape.head_size
    return attention.output(0)


def _parameter(name: str, shape: list[int], kind: Any) -> Any:
    made = op.parameter(shape, kind)
    made.output(0).get_tensor().set_names({name})
    return made


def _ints(value: int | list[int]) -> Any:
    return op.constant(np.array(value, np.int32))


def _floats(value: float | list[float]) -> Any:
    return op.constant(np.array(value, np.float32))


def _matrix(weight: Array | Rounded) -> Any:
    if isinstance(weight, Rounded):
        held = op.convert(Constant(weight.numbers, shared_memory=True), "f32")
        return op.multiply(held, op.constant(weight.scale))
    return Constant(weight, shared_memory=True)


def _tanh_gelu(x: Any) -> Any:
    return op.gelu(x, "tanh")


def _erf_gelu(x: Any) -> Any:
    return op.gelu(x, "erf")


def _times_sigmoid(factor: float) -> Callable[[Any], Any]:
    return lambda x: op.multiply(x, op.sigmoid(op.multiply(x, _floats(factor))))


_ACTIVATIONS: Mapping[str, Callable[[Any], Any]] = MappingProxyType(
    {
        **dict.fromkeys(
            ("gelu_new", "gelu_pytorch_tanh", "gelu_python_tanh", "gelu_fast", "gelu_accurate"),
            _tanh_gelu,
        ),
        **dict.fromkeys(("gelu", "gelu_python"), _erf_gelu),
        "gelu_10": lambda x: op.clamp(_erf_gelu(x), -10.0, 10.0),
        "quick_gelu": _times_sigmoid(1.702),
        "silu": op.swish,
        "swish": op.swish,
        "hardswish": op.hswish,
        "mish": op.mish,
        "relu": op.relu,
        "relu2": lambda x: op.multiply(op.relu(x), op.relu(x)),
        "relu6": lambda x: op.clamp(x, 0.0, 6.0),
        "leaky_relu": lambda x: op.prelu(x, _floats(0.01)),
        "sigmoid": op.sigmoid,
        "tanh": op.tanh,
        "linear": lambda x: x,
    }
)


def activation(name: str) -> Callable[[Any], Any]:
    """Return an activation function by transformers' name for it.

    Raises:
        NotCovered: it is not written out here.

    """
    if name not in _ACTIVATIONS:
        raise NotCovered(f"activation_function {name!r} is not known to OpenVINO here")
    return _ACTIVATIONS[name]
