"""`python -m app check`: whether both models compute right on this machine's device, and how fast.

For whoever has a card: the report is one JSON object, to paste into an issue. Loads the models in
this process, so it knows nothing about serving.
"""

import argparse
import json
import platform
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from typing import Any

import numpy as np

from app import __version__
from app.engine.backends.card_plan import Footprint, plan
from app.engine.backends.device import Decision, decide
from app.engine.backends.device_facts import facts
from app.engine.backends.gpt2 import GPT2, Shape
from app.engine.backends.interface import Backend
from app.engine.checkpoint import Checkpoint, load
from app.engine.checks import correctness, endurance
from app.engine.checks.subject import Finding, Subject
from app.engine.interface import Source
from app.engine.model_files import locate, model_config
from app.engine.weights import Weights
from app.engine.worker import choose
from app.errors import CheckpointError
from app.model_sources import sources
from app.settings import Settings

_CPU_RUNNING = 16
_NEW_TOKENS = 32
_PACKAGES = ("torch", "openvino", "transformers", "numpy")

Check = Callable[[Subject], Finding]


def main(arguments: list[str]) -> int:
    """Check both models; return 0 if all is well, 1 if anything is off or cannot be had."""
    settings = Settings()
    parser = argparse.ArgumentParser("python -m app check", description=__doc__)
    parser.add_argument("--device", default=settings.device, help="as MEDQA_DEVICE")
    parser.add_argument("--dtype", default=settings.dtype, help="as MEDQA_DTYPE")
    chosen = parser.parse_args(arguments)
    models = {str(model): source for model, source in sources(settings).items()}
    try:
        there = facts(chosen.device)
        decisions = decide(chosen.device, chosen.dtype, there, len(models))
        report = _report(there, dict(zip(models, decisions, strict=True)), models)
    except CheckpointError as error:
        report = {"off": [str(error)]}
    print(json.dumps(report, indent=1))
    return 1 if report["off"] else 0


def _report(
    there: Any, decisions: Mapping[str, Decision], models: Mapping[str, Source]
) -> dict[str, Any]:
    report: dict[str, Any] = {
        "version": __version__,
        "machine": {"processor": platform.processor(), "system": platform.platform()},
        "packages": _versions(),
        "device": asdict(there),
        "models": {},
        "off": [],
    }
    for model, source in models.items():
        decision = decisions[model]
        _tell(f"{model}: {source.name}, {decision.dtype} on {decision.device} ({decision.reason})")
        found = []
        for finding in findings(source, decision):
            found.append(asdict(finding))
            _tell(f"  {'OFF ' if finding.off else 'ok  '} {finding.name}: {_said(finding)}")
            if finding.off:
                report["off"].append(f"{model}: {finding.name}: {finding.off}")
        report["models"][model] = {"decision": asdict(decision), "findings": found}
    return report


def findings(source: Source, decision: Decision) -> Iterator[Finding]:
    """Load a model as it would be served, and yield what each check finds.

    Raises:
        CheckpointError: it cannot be loaded.

    """
    running, tokens = _most(source, decision)
    checkpoint = load(
        source,
        device=decision.device,
        dtype=decision.dtype,
        threads=0,
        cache_tokens=tokens,
        models_on_card=decision.models_on_card,
    )
    yield from of_subject(Subject(checkpoint, _reference(source, checkpoint), choose), running)


def _reference(source: Source, checkpoint: Checkpoint) -> Backend:
    """Return the model in float32 on the CPU, by the other library where there are both."""
    if _on_torch(checkpoint.backend) or not find_spec("torch"):
        return load(source, device="cpu", dtype="float32", threads=0, cache_tokens=1).backend
    from app.engine.backends.pytorch import loading as torch_loading

    model = GPT2(Weights(checkpoint.directory), Shape.of(model_config(checkpoint.directory)))
    return torch_loading.load(
        model, device="cpu", dtype="float32", threads=0, cache_tokens=checkpoint.context_tokens
    )


def _on_torch(backend: Backend) -> bool:
    return type(backend).__module__.startswith("app.engine.backends.pytorch.")


def of_subject(subject: Subject, running: int) -> Iterator[Finding]:
    """Yield what each check finds of a model that is loaded; a check that fails is off."""
    for check in _checks(subject.checkpoint, running):
        try:
            yield check(subject)
        except Exception as error:  # the next check may tell more
            name = getattr(check, "func", check).__name__.replace("_", " ")
            said = (str(error).strip().splitlines() or [""])[0]
            yield Finding(name, {}, f"it fails: {type(error).__name__}: {said}")


def _checks(checkpoint: Checkpoint, running: int) -> Iterator[Check]:
    yield correctness.like_the_cpu
    yield correctness.alone_and_in_a_batch
    yield correctness.guard
    yield correctness.seeds
    yield endurance.cancellation
    exhaust = _exhaust
    if on_torch := _on_torch(checkpoint.backend):
        import torch

        from app.engine.checks import torch_device

        exhaust = partial(torch_device.exhaust, torch.device(checkpoint.device))
        yield torch_device.host_waits
        yield torch_device.graphs
    yield partial(endurance.out_of_memory, exhaust=exhaust)
    for answers in dict.fromkeys((1, min(16, running), running)):
        yield partial(endurance.speed, running=answers, new_tokens=_NEW_TOKENS)
    if on_torch:
        yield torch_device.memory


def _most(source: Source, decision: Decision) -> tuple[int, int]:
    """Return how many answers would run at once, and the tokens of their cache."""
    directory, _ = locate(source)
    shape = Shape.of(model_config(directory))
    if decision.card is None:
        return _CPU_RUNNING, _CPU_RUNNING * shape.context_tokens
    footprint = Footprint.of(shape, decision.dtype)
    planned = plan(decision.card.memory_bytes, decision.models_on_card, footprint)
    return planned.max_running, planned.cache_tokens


def _exhaust() -> None:
    np.empty(1 << 60, np.uint8)


def _versions() -> dict[str, str | None]:
    found: dict[str, str | None] = {"python": platform.python_version()}
    for name in _PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = None
    return found


def _said(finding: Finding) -> str:
    figures = ", ".join(f"{name} {value}" for name, value in finding.figures.items())
    return f"{finding.off} ({figures})" if finding.off else figures


def _tell(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
