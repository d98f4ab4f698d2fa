"""Both models, loaded side by side into their processes.

Knows nothing about requests.
"""

import asyncio
from collections.abc import Mapping
from functools import partial

from app.answering.answerer import ModelName
from app.answering.prompt_format import PromptFormat
from app.engine.admission import Limits
from app.engine.client import WorkerEngine
from app.engine.interface import Source
from app.engine.processes import Workers
from app.settings import Settings
from app.telemetry.metrics import Telemetry


async def load_engines(
    settings: Settings,
    sources: Mapping[ModelName, Source],
    telemetry: Telemetry,
    workers: Workers,
) -> dict[ModelName, WorkerEngine]:
    """Load both models onto the device, and start their inference threads.

    Raises:
        CheckpointError: a model must not be served; names it and the reason.

    """
    limits = Limits(
        max_running=settings.max_running,
        max_waiting=settings.max_waiting,
        max_batch_tokens=settings.max_batch_tokens,
        cache_tokens=settings.cache_tokens,
        drafts=settings.drafts,
        stall_seconds=settings.stall_seconds,
    )

    async def load(place: int, model: ModelName, source: Source) -> WorkerEngine:
        with telemetry.loading(model):
            return await WorkerEngine.load(
                workers.connection(place),
                limits,
                restart=partial(workers.restart, place),
                restarts=settings.model_restarts,
                source=source.name,
                revision=source.revision,
                device=settings.device,
                dtype=settings.dtype,
                cpu_threads=settings.cpu_threads,
                log_level=settings.log_level,
                log_format=settings.log_format,
            )

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
