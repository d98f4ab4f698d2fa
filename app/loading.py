"""Both models, loaded one after the other into their processes.

Knows nothing about requests. Not side by side: on a CPU the first one's number format comes from a
trial, and the other must have the same, as a comparison must compare the models.
"""

from collections.abc import Mapping

from app.answering.answerer import ModelName
from app.answering.prompt_format import PromptFormat
from app.engine.admission import Limits
from app.engine.client import WorkerEngine, ready
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
        settings.max_running,
        settings.max_waiting,
        settings.max_batch_tokens,
        settings.stall_seconds,
    )
    dtype: str = settings.dtype
    engines: dict[ModelName, WorkerEngine] = {}
    try:
        for (model, source), connected in zip(sources.items(), workers.sockets, strict=True):
            wire = await ready(connected)
            with telemetry.loading(model):
                engines[model] = await WorkerEngine.load(
                    wire,
                    limits,
                    source=source.name,
                    revision=source.revision,
                    device=settings.device,
                    dtype=dtype,
                    cpu_threads=settings.cpu_threads,
                    log_level=settings.log_level,
                    log_format=settings.log_format,
                )
            dtype = engines[model].checkpoint.dtype
        PromptFormat.of_model(engines["fine-tuned"].checkpoint)
    except BaseException:
        for engine in engines.values():
            engine.stop()
        raise
    return engines
