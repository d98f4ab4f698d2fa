"""`create_app(settings)`: the one place that knows every part, and wires them together."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager

import torch
from fastapi import FastAPI

from app import __version__, errors
from app.access import BodyLimit
from app.answering import Answerer, ModelName
from app.api import answers, openai, system
from app.checkpoints import Source, best_device, best_dtype, load, prompt_format
from app.generation import BatchingEngine, Engine, Limits
from app.serving import RequestLimits, Service
from app.settings import DEMO, GPT2, GPT2_REVISION, TRAINED, Settings

logger = logging.getLogger(__name__)

Engines = Mapping[ModelName, Engine]


def create_app(
    settings: Settings,
    engines: Engines | None = None,
    on_failure: Callable[[], None] = lambda: None,
) -> FastAPI:
    """Return the service as an ASGI application.

    Args:
        settings: every knob; nothing else is read from the environment.
        engines: both models, started; None loads them as the settings say.
        on_failure: called once when the models cannot be loaded or warmed up, so that whoever
            runs the server can stop it.

    """
    service = Service(
        limits=RequestLimits(
            max_question_characters=settings.max_question_characters,
            default_new_tokens=settings.default_new_tokens,
            max_new_tokens=settings.max_new_tokens,
        ),
        sources=sources(settings),
    )

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        starting = asyncio.create_task(_start(service, settings, engines, on_failure))
        yield
        service.step = "draining"
        starting.cancel()
        await asyncio.gather(starting, return_exceptions=True)
        for answerer in service.answerers.values():
            await asyncio.to_thread(answerer.engine.stop)

    app = FastAPI(
        title="medqa",
        summary="Medical questions answered by GPT-2, fine-tuned and base side by side.",
        version=__version__,
        lifespan=lifespan,
    )
    app.state.service = service
    app.add_middleware(BodyLimit, max_body_bytes=settings.max_body_bytes)
    errors.install(app)
    app.include_router(answers.router)
    app.include_router(openai.router)
    app.include_router(system.router)
    return app


def sources(settings: Settings) -> dict[ModelName, Source]:
    """Return which pair the settings ask for: what they name, else what was trained, else demo.

    The base's default follows the fine-tuned model's: each is compared with what it came from.
    """
    demo = settings.fine_tuned_model is None and not TRAINED.is_dir()
    fine_tuned = settings.fine_tuned_model or str(DEMO / "fine-tuned" if demo else TRAINED)
    base = settings.base_model or (str(DEMO / "base") if demo else GPT2)
    base_revision = settings.base_revision or (GPT2_REVISION if base == GPT2 else None)
    return {
        "fine-tuned": Source(fine_tuned, settings.fine_tuned_revision),
        "base": Source(base, base_revision),
    }


async def _start(
    service: Service,
    settings: Settings,
    engines: Engines | None,
    on_failure: Callable[[], None],
) -> None:
    try:
        if engines is None:
            loaded = await asyncio.to_thread(load_engines, settings, service.sources)
            # Here and not in the loading thread: a stop while loading must leave none running.
            for engine in loaded.values():
                engine.start()
            engines = loaded
        found = prompt_format(engines["fine-tuned"].checkpoint)
        await service.warm_up(
            {
                model: Answerer(model, engine, found, settings.request_timeout_seconds)
                for model, engine in engines.items()
            }
        )
        logger.info("ready")
    except errors.CheckpointError as error:
        logger.error("cannot start: %s", error)
    except Exception:
        logger.exception("cannot start")
    if service.step != "ready":
        service.step = "failed"
        on_failure()


def load_engines(
    settings: Settings, sources: Mapping[ModelName, Source]
) -> dict[ModelName, BatchingEngine]:
    """Load both models onto the device; their inference threads are not started yet.

    Raises:
        CheckpointError: a model must not be served; names it and the reason.

    """
    if settings.cpu_threads:
        torch.set_num_threads(settings.cpu_threads)
    device = best_device(settings.device)
    dtype = best_dtype(settings.dtype, device)
    limits = Limits(settings.max_running, settings.max_waiting, settings.max_batch_tokens)
    checkpoints = {model: load(source, device, dtype) for model, source in sources.items()}
    prompt_format(checkpoints["fine-tuned"])
    return {model: BatchingEngine(checkpoint, limits) for model, checkpoint in checkpoints.items()}
