"""What a GPT-2 is made of: its sizes as config.json gives them, its weights and what they must be.

Knows nothing about who does the arithmetic. Source of names and shapes: transformers'
`GPT2LMHeadModel`, whose directories these are.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from app.engine.weights import Array, Weights, first_few
from app.errors import CheckpointError

_PREFIX = "transformer."
_TABLE = "wte.weight"
_HEAD = "lm_head.weight"
_WRAPPERS = {
    "_orig_mod": "torch.compile",
    "_fsdp_wrapped_module": "FSDP",
    "base_layer": "an adapter",
    "module": "DataParallel",
}
_FIRST = "h.0.ln_1.weight"
_BUFFERS = (".attn.bias", ".attn.masked_bias")  # causal masks, which older files carry


class UnsupportedArchitecture(CheckpointError):
    """A model that is no GPT-2 as this package writes it out."""


class NotCovered(CheckpointError):
    """A GPT-2, or a number format, that one backend does not cover; another one may."""


@dataclass(frozen=True, slots=True)
class Shape:
    """The sizes and switches of a GPT-2."""

    vocabulary: int
    context_tokens: int
    width: int
    layers: int
    heads: int
    inner: int
    activation: str
    epsilon: float
    scales_attention: bool
    scales_by_layer: bool
    tied: bool

    @classmethod
    def of(cls, config: Mapping[str, Any]) -> Self:
        """Return what a config.json says, with transformers' defaults for what it leaves out.

        Raises:
            UnsupportedArchitecture: it is another model, or GPT-2 with cross-attention.
            CheckpointError: a size is no size, or heads do not divide the width.

        """
        if (kind := config.get("model_type")) != "gpt2":
            raise UnsupportedArchitecture(f"model_type {kind!r} is not gpt2")
        if config.get("add_cross_attention"):
            raise UnsupportedArchitecture("this GPT-2 has cross-attention")
        width = _size(config, "n_embd", 768, "hidden_size")
        heads = _size(config, "n_head", 12, "num_attention_heads")
        if width % heads:
            raise CheckpointError(
                f"config.json cannot be read: n_head {heads} does not divide n_embd {width}"
            )
        inner = config.get("n_inner")
        epsilon = config.get("layer_norm_epsilon", 1e-5)
        if not isinstance(epsilon, (int, float)):
            raise CheckpointError(f"config.json cannot be read: layer_norm_epsilon is {epsilon!r}")
        return cls(
            vocabulary=_size(config, "vocab_size", 50257),
            context_tokens=_size(config, "n_positions", 1024, "max_position_embeddings"),
            width=width,
            layers=_size(config, "n_layer", 12, "num_hidden_layers"),
            heads=heads,
            inner=4 * width if inner is None else _size(config, "n_inner", 0),
            activation=str(config.get("activation_function", "gelu_new")),
            epsilon=float(epsilon),
            scales_attention=bool(config.get("scale_attn_weights", True)),
            scales_by_layer=bool(config.get("scale_attn_by_inverse_layer_idx", False)),
            tied=bool(config.get("tie_word_embeddings", True)),
        )

    @property
    def head_size(self) -> int:
        """Numbers that one head has for a token's key, and for its value."""
        return self.width // self.heads

    def attention_scale(self, layer: int) -> float:
        """Return what a layer's scores are multiplied by before the softmax."""
        scale = self.head_size**-0.5 if self.scales_attention else 1.0
        return scale / (layer + 1) if self.scales_by_layer else scale

    def expected(self) -> dict[str, tuple[int, ...]]:
        """Return the names and shapes of all weights but the output head's."""
        width, inner = self.width, self.inner
        shapes: dict[str, tuple[int, ...]] = {
            _TABLE: (self.vocabulary, width),
            "wpe.weight": (self.context_tokens, width),
        }
        for layer in range(self.layers):
            shapes |= {f"h.{layer}.{name}": shape for name, shape in _layer(width, inner)}
        return shapes | {"ln_f.weight": (width,), "ln_f.bias": (width,)}


class GPT2:
    """A directory's weights, found to be those of the shape; read one by one as they are needed."""

    def __init__(self, weights: Weights, shape: Shape) -> None:
        """Check names and shapes; no weight is read yet.

        Raises:
            CheckpointError: weights are missing, of another shape, or of layers that the config
                does not name.

        """
        self.shape = shape
        self._weights = weights
        found = weights.shapes
        if shape.layers > len(found):  # before so many names are made
            raise CheckpointError(
                f"its weights have missing keys: config.json wants {shape.layers} layers, "
                f"{_cause(found)}"
            )
        prefixed = any(name.startswith(_PREFIX) for name in found)
        self._prefix = _PREFIX if prefixed else ""
        expected = {self._prefix + name: wanted for name, wanted in shape.expected().items()}
        table = self._prefix + _TABLE
        if _HEAD in found or not shape.tied:
            expected[_HEAD] = (shape.vocabulary, shape.width)
        # Tied weights may be stored under either name.
        self._table = table if table in found or not shape.tied or _HEAD not in found else _HEAD
        if self._table == _HEAD:
            del expected[table]
        _check_stored(found, expected)
        self.surplus = sorted(
            name for name in found.keys() - expected.keys() if not name.endswith(_BUFFERS)
        )
        beyond = [name for name in self.surplus if name.startswith(f"{self._prefix}h.")]
        if beyond:  # a head more changes no answer, a layer less does
            raise CheckpointError(
                f"its weights have surplus keys ({first_few(beyond)}): config.json describes a "
                "smaller model, or another one"
            )
        head = {} if shape.tied else {_HEAD: (shape.vocabulary, shape.width)}
        counted = shape.expected() | head
        self.parameters = sum(math.prod(wanted) for wanted in counted.values())

    def read(self, name: str) -> Array:
        """Return the weight of a layer or of the last norm, float32."""
        return self._weights.read(self._prefix + name)

    def embeddings(self) -> tuple[Array, Array]:
        """Return the tables of tokens [vocabulary, width] and positions [context, width]."""
        return self._weights.read(self._table), self.read("wpe.weight")

    def head(self, table: Array) -> Array:
        """Return the output head [vocabulary, width]: the table of tokens itself if they are tied.

        Where both are stored and differ, what is stored counts and not the config, as in
        transformers.
        """
        if _HEAD not in self._weights.shapes or self._table == _HEAD:
            return table
        head = self._weights.read(_HEAD)
        return table if self.shape.tied and np.array_equal(head, table) else head


def _check_stored(
    found: Mapping[str, tuple[int, ...]], expected: Mapping[str, tuple[int, ...]]
) -> None:
    """Refuse weights that are missing, or of another shape."""
    if missing := sorted(expected.keys() - found.keys()):
        raise CheckpointError(
            f"its weights have missing keys ({first_few(missing)}); {_cause(found)}"
        )
    wrong = [name for name, wanted in expected.items() if found[name] != wanted]
    if wrong:
        name = wrong[0]
        raise CheckpointError(
            f"its weights have mismatched keys ({first_few(wrong)}); config.json wants {name} as "
            f"{list(expected[name])}, the file has {list(found[name])}: one of the two is another "
            "model's"
        )


def _layer(width: int, inner: int) -> Iterator[tuple[str, tuple[int, ...]]]:
    for norm in ("ln_1", "ln_2"):
        yield f"{norm}.weight", (width,)
        yield f"{norm}.bias", (width,)
    # GPT-2's `Conv1D` keeps its matrix as [inputs, outputs].
    for name, inputs, outputs in (
        ("attn.c_attn", width, 3 * width),
        ("attn.c_proj", width, width),
        ("mlp.c_fc", width, inner),
        ("mlp.c_proj", inner, width),
    ):
        yield f"{name}.weight", (inputs, outputs)
        yield f"{name}.bias", (outputs,)


def _size(config: Mapping[str, Any], name: str, default: int, alias: str = "") -> int:
    """Return a size by its GPT-2 name, or by the name that other models have for it."""
    size = config.get(name, config.get(alias, default))
    if not isinstance(size, int) or isinstance(size, bool) or size < 1:
        raise CheckpointError(f"config.json cannot be read: {name} is {size!r}")
    return size


def _cause(found: Mapping[str, tuple[int, ...]]) -> str:
    """Return what names in the file tell about why others are missing."""
    for wrapper, maker in _WRAPPERS.items():
        wrapped = [name for name in found if wrapper in name.split(".")]
        if wrapped:
            return (
                f"the file has {wrapped[0]}: saved from inside {maker}, save the model that it "
                "wraps"
            )
    if not found:
        return "the file holds no weights at all"
    if found.keys() & {_FIRST, _PREFIX + _FIRST}:
        return "the file is incomplete, or config.json describes a larger model"
    for name in found:
        if name.endswith(f".{_PREFIX}{_FIRST}"):
            more = name.removesuffix(_PREFIX + _FIRST)
            return (
                f"its names begin with {more!r}: save the model that is called so, or rename them"
            )
    return f"the file has {first_few(found)}: another model's, or the names were changed"
