"""The shape of a GPT-2 model, from its `config.json`.

Knows nothing about weights or libraries: whatever does the arithmetic reads the same fields.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from app.errors import CheckpointError

_ALIASES = {
    "n_embd": "hidden_size",
    "n_head": "num_attention_heads",
    "n_layer": "num_hidden_layers",
    "n_positions": "max_position_embeddings",
}
"""Names that transformers takes for GPT-2's own (`GPT2Config.attribute_map`)."""


@dataclass(frozen=True, slots=True)
class GPT2Config:
    """What the arithmetic of a forward pass depends on; defaults are transformers' own."""

    vocabulary: int
    context_tokens: int
    width: int
    layers: int
    heads: int
    inner_width: int
    activation: str
    epsilon: float
    tied: bool
    """Whether the output head may be the token embeddings."""
    scales: tuple[float, ...]
    """What each layer's attention scores are multiplied by."""

    @property
    def head_width(self) -> int:
        """Numbers in one head's query, key or value."""
        return self.width // self.heads

    @classmethod
    def of(cls, directory: Path) -> Self:
        """Read a model directory's config.

        Raises:
            CheckpointError: it is no GPT-2's, or its numbers fit no model.

        """
        raw = json.loads((directory / "config.json").read_text())
        if not is_gpt2(raw):
            raise CheckpointError(f"its model_type is {raw.get('model_type')!r}, not 'gpt2'")
        try:
            return cls._parsed(raw)
        except (TypeError, ValueError, ZeroDivisionError) as error:
            raise CheckpointError(f"its config.json describes no model: {error}") from error

    @classmethod
    def _parsed(cls, raw: Mapping[str, Any]) -> Self:
        def field(name: str, default: Any) -> Any:
            return raw.get(name, raw.get(_ALIASES.get(name, name), default))

        width, heads = int(field("n_embd", 768)), int(field("n_head", 12))
        layers = int(field("n_layer", 12))
        if min(width, heads, layers) < 1 or width % heads:
            raise ValueError(f"{layers} layers, {heads} heads over a width of {width}")
        scale = (width // heads) ** -0.5 if field("scale_attn_weights", True) else 1.0
        by_layer = field("scale_attn_by_inverse_layer_idx", False)
        return cls(
            vocabulary=int(field("vocab_size", 50257)),
            context_tokens=int(field("n_positions", 1024)),
            width=width,
            layers=layers,
            heads=heads,
            inner_width=int(field("n_inner", None) or 4 * width),
            activation=str(field("activation_function", "gelu_new")),
            epsilon=float(field("layer_norm_epsilon", 1e-5)),
            tied=bool(field("tie_word_embeddings", True)),
            scales=tuple(scale / (layer + 1 if by_layer else 1) for layer in range(layers)),
        )


def is_gpt2(raw: Mapping[str, Any]) -> bool:
    """Whether a parsed config.json is GPT-2's, with attention to its own text alone."""
    return raw.get("model_type") == "gpt2"
