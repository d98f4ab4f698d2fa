"""What a machine has to compute on, and why a card of it cannot be used.

Knows nothing about models, and imports neither PyTorch nor CUDA.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from types import MappingProxyType

INSTALL = "pip install -e '.[gpu]'"

_LEAST_DRIVERS = MappingProxyType({11: "450.80", 12: "525.60", 13: "580.65"})
"""By CUDA's major version: NVIDIA's CUDA compatibility guide, table of minor versions, Linux."""
_LEAST_CAPABILITY = (7, 0)


@dataclass(frozen=True, slots=True)
class Card:
    """A CUDA card, as PyTorch sees it."""

    name: str
    capability: tuple[int, int]
    memory_bytes: int
    fault: str | None = None
    """What its first kernel died of, if it did."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What a machine has. Fields about CUDA stay empty where nobody had to look."""

    openvino: bool = True
    torch: str | None = None
    """PyTorch's version, if it is installed."""
    driver: str | None = None
    """Version of NVIDIA's driver, if there is one."""
    cuda: str | None = None
    """The CUDA that PyTorch was built for, if any."""
    architectures: Sequence[str] = ()
    """Those that it was built for: `sm_80` is machine code, `compute_80` what newer cards take."""
    cards: Sequence[Card] = ()
    cuda_error: str | None = None
    """What CUDA said instead of naming cards."""
    mps: bool = False


def first_usable(facts: Facts) -> int:
    """Return the number of the first card that works; 0 if none does."""
    usable = [index for index in range(len(facts.cards)) if why_not(index, facts) is None]
    return usable[0] if usable else 0


def why_not(index: int, facts: Facts) -> str | None:
    """Return why a card cannot be used, or None if it can."""
    return _why_no_cuda(facts) or _why_not_card(index, facts)


def _why_no_cuda(facts: Facts) -> str | None:
    if facts.torch is None:
        return f"PyTorch is not installed ({INSTALL})"
    if facts.driver is None and not facts.cards:
        return (
            "no NVIDIA driver was found (PyTorch built for CUDA 13 needs "
            f"{_LEAST_DRIVERS[13]} or newer; in a container, NVIDIA's container toolkit too)"
        )
    if facts.cuda is None:
        return f"PyTorch {facts.torch} is built without CUDA ({INSTALL})"
    least = _LEAST_DRIVERS.get(int(facts.cuda.split(".")[0]))
    if facts.driver and least and _numbers(facts.driver) < _numbers(least):
        return (
            f"the NVIDIA driver {facts.driver} is too old: CUDA {facts.cuda} needs {least} or newer"
        )
    return None


def _why_not_card(index: int, facts: Facts) -> str | None:
    if not facts.cards:
        said = facts.cuda_error or "CUDA_VISIBLE_DEVICES may hide them"
        return f"CUDA names no card ({said}; a container must be given one)"
    if index >= len(facts.cards):
        return f"there is no card {index}, as CUDA names {len(facts.cards)}, from 0"
    card = facts.cards[index]
    capability = dotted(card.capability)
    if card.capability < _LEAST_CAPABILITY:
        return (
            f"{card.name} is too old: its compute capability is {capability}, "
            f"and {dotted(_LEAST_CAPABILITY)} is the least"
        )
    if not _is_built_for(card.capability, facts.architectures):
        return (
            f"{card.name} is not one of those that PyTorch {facts.torch} is built for: its compute "
            f"capability is {capability}, and the build has {' '.join(facts.architectures)}"
        )
    return f"{card.name}: its first kernel failed: {card.fault}" if card.fault else None


def _is_built_for(capability: tuple[int, int], architectures: Sequence[str]) -> bool:
    """Whether a build runs on a card: machine code within a major version, or text for newer."""
    for architecture in architectures:
        kind, _, number = architecture.partition("_")
        digits = re.match(r"\d+", number)
        if not digits:
            continue
        built = (int(digits[0][:-1] or 0), int(digits[0][-1]))
        same_major = built[0] == capability[0] and built <= capability
        if same_major or (kind == "compute" and built <= capability):
            return True
    return False


def why_no_mps(facts: Facts) -> str:
    """Return why Apple's GPU cannot be used, where it cannot."""
    return "this is no Mac that has it" if facts.torch else f"PyTorch is not installed ({INSTALL})"


def dotted(version: tuple[int, int]) -> str:
    """Return a compute capability as people write it."""
    return ".".join(map(str, version))


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", version))
