"""Which backend computes a model: on a CPU OpenVINO where it covers it, else PyTorch.

Imports none before it is chosen: a CPU's needs neither torch nor transformers.
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol

from app.engine.backends.cards import INSTALL
from app.engine.backends.device import decide
from app.engine.backends.device_facts import facts
from app.engine.backends.gpt2 import GPT2, NotCovered, Shape, UnsupportedArchitecture
from app.engine.backends.interface import Backend
from app.engine.backends.processor import cpu_threads
from app.engine.weights import Weights
from app.errors import CheckpointError

logger = logging.getLogger(__name__)


class Computing(Backend, Protocol):
    """A backend that tells what it computes on, and in what."""

    @property
    def device(self) -> str:
        """`cpu`, `mps`, `cuda:0`."""

    @property
    def number_format(self) -> str:
        """The format of the matrices."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to compute on, in what, and how many tokens' keys and values to keep."""

    device: str
    dtype: str
    threads: int
    cache_tokens: int
    models_on_card: int = 1


@dataclass(frozen=True, slots=True)
class Computed:
    """A model on its device."""

    backend: Computing
    parameters: int
    """Number of weights, tied ones counted once."""
    context_tokens: int
    vocabulary: int


def compute(directory: Path, config: Mapping[str, Any], wanted: Wanted) -> Computed:
    """Load a model directory, whose config.json is `config`, onto a device.

    Raises:
        DeviceError: the device or format cannot be had.
        CheckpointError: the model must not be served, or nothing here computes it; says why.

    """
    device, dtype = wanted.device, wanted.dtype
    if "auto" in (device, dtype):
        decision = decide(device, dtype, facts(device), models=1)[0]
        device, dtype = decision.device, decision.dtype
    wanted = Wanted(
        device,
        dtype,
        wanted.threads or cpu_threads(),
        wanted.cache_tokens,
        wanted.models_on_card,
    )
    try:
        model = GPT2(Weights(directory), Shape.of(config))
        backend = _gpt2(model, wanted)
    except UnsupportedArchitecture as error:
        return _other(directory, config, wanted, str(error))
    if model.surplus:
        logger.warning("weights that no GPT-2 has are left out: %s", model.surplus)
    return Computed(backend, model.parameters, model.shape.context_tokens, model.shape.vocabulary)


def _gpt2(model: GPT2, wanted: Wanted) -> Computing:
    tokens = max(wanted.cache_tokens, model.shape.context_tokens)
    if wanted.device == "cpu" and find_spec("openvino"):
        from app.engine.backends.openvino import OpenVINO

        try:
            return OpenVINO(
                model, cache_tokens=tokens, number_format=wanted.dtype, threads=wanted.threads
            )
        except NotCovered as error:
            _require_torch(str(error))
            logger.warning("it runs on PyTorch, and slower: %s", error)
    else:
        _require_torch("OpenVINO is not installed" if wanted.device == "cpu" else wanted.device)
    from app.engine.backends.pytorch import loading as torch_loading

    return torch_loading.load(
        model,
        device=wanted.device,
        dtype=wanted.dtype,
        threads=wanted.threads,
        cache_tokens=tokens,
        models_on_card=wanted.models_on_card,
    )


def _other(directory: Path, config: Mapping[str, Any], wanted: Wanted, why: str) -> Computed:
    _require_torch(why)
    from app.engine.backends.pytorch import loading as torch_loading

    Weights(directory)  # refused like a GPT-2's: pickled, cut off, not there
    backend = torch_loading.load_other(
        directory,
        device=wanted.device,
        dtype=wanted.dtype,
        threads=wanted.threads,
        cache_tokens=wanted.cache_tokens,
    )
    vocabulary = int(config.get("vocab_size", 0))
    return Computed(backend, backend.parameters, backend.context_tokens, vocabulary)


def _require_torch(why: str) -> None:
    if not (find_spec("torch") and find_spec("transformers")):
        raise CheckpointError(f"{why}: that takes PyTorch and transformers ({INSTALL})")
