"""Both models, loaded side by side into their processes.

Knows nothing about requests.
"""

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import asdict
from functools import partial

from app.answering.answer import ModelName
from app.answering.prompt_format import PromptFormat
from app.engine.admission import Limits
from app.engine.backends.card_plan import Footprint, plan
from app.engine.backends.device import Decision, decide
from app.engine.backends.device_facts import facts
from app.engine.backends.gpt2 import Shape
from app.engine.client import WorkerEngine
from app.engine.interface import Source
from app.engine.processes import Workers
from app.settings import Settings
from app.telemetry.metrics import Telemetry

logger = logging.getLogger(__name__)


async def load_engines(
    settings: Settings,
    sources: Mapping[ModelName, Source],
    telemetry: Telemetry,
    workers: Workers,
) -> dict[ModelName, WorkerEngine]:
    """Load both models onto the device, and start their inference threads.

    Raises:
        DeviceError: a device or format that was asked for cannot be had.
        CheckpointError: a model must not be served; names it and the reason.

    """
    decisions = await asyncio.to_thread(_decided, settings, len(sources))

    async def load(place: int, model: ModelName, source: Source) -> WorkerEngine:
        decision = decisions[place]
        logger.info("%s: %s on %s: %s", model, decision.dtype, decision.device, decision.reason)
        with telemetry.loading(model):
            return await _engine(settings, workers, place, source, decision)

    tasks = {
        model: asyncio.create_task(load(place, model, source))
        for place, (model, source) in enumerate(sources.items())
    }
    try:
        await asyncio.gather(*tasks.values())
        engines = {model: task.result() for model, task in tasks.items()}
        PromptFormat.of_model(engines["fine-tuned"].checkpoint)
    except BaseException:
        for task in tasks.values():
            task.cancel()
        for loaded in await asyncio.gather(*tasks.values(), return_exceptions=True):
            if isinstance(loaded, WorkerEngine):
                loaded.stop()
        raise
    return engines


async def _engine(
    settings: Settings, workers: Workers, place: int, source: Source, decision: Decision
) -> WorkerEngine:
    return await WorkerEngine.load(
        workers.connection(place),
        limits(settings, decision),
        restart=partial(workers.restart, place),
        restarts=settings.model_restarts,
        source=source.name,
        revision=source.revision,
        device=decision.device,
        device_reason=decision.reason,
        dtype=decision.dtype,
        models_on_card=decision.models_on_card,
        environment=dict(decision.environment),
        cpu_threads=settings.cpu_threads,
        log_level=settings.log_level,
        log_format=settings.log_format,
    )


def limits(settings: Settings, decision: Decision) -> Limits:
    """Return how much one model takes on: what was set, and on a card what its memory can hold."""
    chosen = {
        "max_running": settings.max_running,
        "max_batch_tokens": settings.max_batch_tokens,
        "cache_tokens": settings.cache_tokens,
    }
    if decision.card:
        footprint = Footprint.of(Shape.of({"model_type": "gpt2"}), decision.dtype)
        planned = plan(decision.card.memory_bytes, decision.models_on_card, footprint)
        chosen |= {
            name: value
            for name, value in asdict(planned).items()
            if name not in settings.model_fields_set
        }
    return Limits(
        max_waiting=settings.max_waiting,
        drafts=settings.drafts,
        stall_seconds=settings.stall_seconds,
        **chosen,
    )


def _decided(settings: Settings, models: int) -> tuple[Decision, ...]:
    return decide(settings.device, settings.dtype, facts(settings.device), models)
