"""What a card's memory can hold: how many answers at once, how many tokens a step, how much cache.

Knows nothing about PyTorch. Settings that are given win over what is planned here.
"""

from dataclasses import dataclass

from app.engine.backends.gpt2 import Shape
from app.errors import DeviceError

_USABLE = 0.9
"""Of a card's memory; the rest is its display's, other programs' and fragmentation's."""
_PROCESS_BYTES = 800 * 1024**2
"""CUDA's context, its libraries' kernels and workspaces, in each process."""
_BYTES_PER_LOGIT = 48
"""A logit (4), and what a draw makes of it: sorted, summed and exponentiated copies, in float64."""
_BYTES_PER_ACTIVATION = 24
"""A few copies of what a layer makes of a token, in float32 and in 16 bits."""
_MOST_RUNNING = 256
"""More would add little: by then a step's time grows with its rows."""
_STEP_TOKENS = (256, 2048)
"""Least and most. A step with a prompt in it holds up the answers beside it."""
_STEP_TOKENS_PER_GIB = 64


@dataclass(frozen=True, slots=True)
class Footprint:
    """What a model needs of memory, in bytes."""

    weights: int
    cache_per_token: int
    activations_per_token: int
    logits_per_row: int
    context_tokens: int

    @classmethod
    def of(cls, shape: Shape, dtype: str) -> "Footprint":
        """Return that of a GPT-2: matrices and cache in its format, all else in float32."""
        size = 4 if dtype == "float32" else 2
        width, inner = shape.width, shape.inner
        matrices = shape.layers * (4 * width * width + 2 * width * inner)
        tables = (shape.vocabulary * (1 if shape.tied else 2) + shape.context_tokens) * width
        return cls(
            weights=matrices * size + tables * 4,
            cache_per_token=2 * shape.layers * width * size,
            activations_per_token=(4 * width + inner) * _BYTES_PER_ACTIVATION,
            logits_per_row=shape.vocabulary * _BYTES_PER_LOGIT,
            context_tokens=shape.context_tokens,
        )


@dataclass(frozen=True, slots=True)
class Plan:
    """Defaults for one model on a card."""

    max_running: int
    max_batch_tokens: int
    cache_tokens: int
    """Tokens of all running answers together whose keys and values are kept."""


def plan(memory_bytes: int, models_on_card: int, footprint: Footprint) -> Plan:
    """Return the most that a card can hold of one model, beside others like it.

    As many answers run as there is cache for half a context each: most are shorter.

    Raises:
        DeviceError: not even one answer fits.

    """
    gibibytes = memory_bytes / 1024**3
    least, most = _STEP_TOKENS
    wanted = min(most, max(least, int(gibibytes * _STEP_TOKENS_PER_GIB)))
    step_tokens = 1 << (wanted.bit_length() - 1)
    share = int(memory_bytes * _USABLE / models_on_card) - _PROCESS_BYTES - footprint.weights
    share -= step_tokens * footprint.activations_per_token
    running = _MOST_RUNNING
    while running:
        # Twice: drafts are verified, and references scored, in rows of their own.
        cache = share - 2 * running * footprint.logits_per_row
        tokens = max(0, cache) // footprint.cache_per_token
        if tokens >= max(footprint.context_tokens, running * footprint.context_tokens // 2):
            return Plan(running, step_tokens, min(tokens, running * footprint.context_tokens))
        running //= 2
    raise DeviceError(
        f"a card of {gibibytes:.0f} GB cannot hold {models_on_card} such models and one answer of "
        f"each: their weights take {models_on_card * footprint.weights / 1024**3:.1f} GB"
    )
