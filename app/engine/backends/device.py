"""On which device each model runs and in which number format: decided once, before anything loads.

Knows nothing about models' files, and imports neither PyTorch nor OpenVINO: what the machine has is
handed in (`device_facts.facts`). Whoever names a device gets that one, or the reason why not.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from app.engine.backends.cards import (
    INSTALL,
    Card,
    Facts,
    dotted,
    first_usable,
    why_no_mps,
    why_not,
)
from app.errors import DeviceError

_BFLOAT16_CAPABILITY = (8, 0)
"""Older cards have no bfloat16 arithmetic: PyTorch emulates it, at a fraction of the speed."""
_FORMATS = MappingProxyType(
    {
        "cpu": ("float32", "bfloat16", "int8"),
        "cuda": ("float32", "bfloat16", "float16"),
        "mps": ("float32", "float16"),
    }
)


@dataclass(frozen=True, slots=True)
class Decision:
    """What one model runs on."""

    device: str
    """`cpu`, `mps`, or `cuda:` and the card's number."""
    dtype: str
    backend: Literal["openvino", "torch"]
    reason: str
    """Why this one, and why no better one, in a sentence for the log and `/info`."""
    card: Card | None = None
    models_on_card: int = 1

    @property
    def environment(self) -> Mapping[str, str]:
        """What the model's process must have in its environment before it imports anything."""
        return {} if self.card else {"CUDA_VISIBLE_DEVICES": ""}


def decide(device: str, dtype: str, facts: Facts, models: int = 2) -> tuple[Decision, ...]:
    """Return what each model runs on.

    Args:
        device: `auto`, `cpu`, `mps`, `cuda` (the first card that works), `cuda:1`, or as many of
            these as there are models, with commas between.
        dtype: `auto`, or the format that matrices must have. Output heads are float32 in 16 bits.
        facts: what this machine has.
        models: how many there are.

    Raises:
        DeviceError: what was asked for by name cannot be had; says why.

    """
    names = devices_named(device)
    if len(names) == 1:
        names *= models
    if len(names) != models:
        raise DeviceError(f"device {device!r} names {len(names)} devices for {models} models")
    decided = [_decided(name, dtype, facts) for name in names]
    on = [each.device for each in decided]
    return tuple(_sharing(each, on.count(each.device)) for each in decided)


def devices_named(device: str) -> list[str]:
    """Return the names that a list of devices holds, as they are written here."""
    return [name.strip().lower() for name in device.split(",")]


def _sharing(decision: Decision, models: int) -> Decision:
    return Decision(
        decision.device,
        decision.dtype,
        decision.backend,
        decision.reason,
        decision.card,
        models if decision.card else 1,
    )


def _decided(name: str, dtype: str, facts: Facts) -> Decision:
    if name == "auto":
        return _best(dtype, facts)
    if name == "cpu":
        return _on_cpu(dtype, facts, "asked for")
    if name == "mps":
        if not facts.mps:
            raise DeviceError(f"device 'mps' cannot be used: {why_no_mps(facts)}")
        return _accelerated("mps", dtype, "asked for")
    if match := re.fullmatch(r"cuda(?::(\d+))?", name):
        index = int(match[1]) if match[1] else first_usable(facts)
        if reason := why_not(index, facts):
            raise DeviceError(f"device {name!r} cannot be used: {reason}")
        return _on_card(index, dtype, facts, "asked for")
    raise DeviceError(f"device {name!r} is none: say auto, cpu, mps, cuda, or cuda:1 and so on")


def _best(dtype: str, facts: Facts) -> Decision:
    """Return the best that works; what does not is told."""
    index = first_usable(facts)
    reason = why_not(index, facts)
    if reason is None:
        return _on_card(index, dtype, facts, "the best there is")
    if facts.mps:
        return _accelerated("mps", dtype, "the best there is")
    if facts.driver is None and not facts.cards:
        return _on_cpu(dtype, facts, "there is no card: no NVIDIA driver was found")
    return _on_cpu(dtype, facts, f"there is a card, but it cannot be used: {reason}")


def _on_card(index: int, dtype: str, facts: Facts, why: str) -> Decision:
    card = facts.cards[index]
    capability = dotted(card.capability)
    fast = "bfloat16" if card.capability >= _BFLOAT16_CAPABILITY else "float16"
    chosen = _format("cuda", dtype, fast)
    if chosen == "bfloat16" and card.capability < _BFLOAT16_CAPABILITY:
        raise DeviceError(
            f"dtype 'bfloat16' cannot be used: {card.name} (compute capability {capability}) only "
            "emulates it; float16 and float32 run on it"
        )
    gigabytes = card.memory_bytes / 1024**3
    what = f"{card.name}, compute capability {capability}, {gigabytes:.0f} GB"
    if facts.driver:
        what += f", driver {facts.driver}"
    return Decision(f"cuda:{index}", chosen, "torch", f"{why}: {what}", card)


def _accelerated(device: str, dtype: str, why: str) -> Decision:
    return Decision(device, _format(device, dtype, "float32"), "torch", why)


def _on_cpu(dtype: str, facts: Facts, why: str) -> Decision:
    chosen = _format("cpu", dtype, "float32")
    if facts.openvino:
        return Decision("cpu", chosen, "openvino", why)
    if facts.torch is None:
        raise DeviceError(
            f"neither OpenVINO nor PyTorch is installed: pip install medqa, or {INSTALL}"
        )
    if chosen == "int8":
        raise DeviceError("dtype 'int8' cannot be used: it needs OpenVINO, which is not installed")
    return Decision("cpu", chosen, "torch", f"{why}; PyTorch, as OpenVINO is not installed")


def _format(kind: str, wanted: str, best: str) -> str:
    if wanted == "auto":
        return best
    if wanted not in _FORMATS[kind]:
        raise DeviceError(
            f"dtype {wanted!r} cannot be used on {kind}: it has {', '.join(_FORMATS[kind])}"
        )
    return wanted
