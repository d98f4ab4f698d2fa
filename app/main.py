"""`create_app(settings)`: the one place that knows every part, and wires them together."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager

from fastapi import FastAPI
from limits import parse as parse_limit
from limits.aio.storage import Storage
from starlette.middleware.cors import CORSMiddleware

from app import __version__
from app.answering.answer import ModelName
from app.answering.answerer import Answerer, Deadlines
from app.answering.prompt_format import PromptFormat
from app.answering.reading import Reader
from app.answering.service import RedFlags, RequestLimits, Service
from app.api import answers, document, openai, page, references, system
from app.engine.admission import asker
from app.engine.interface import Engine
from app.engine.processes import Workers
from app.errors import CheckpointError, IndexFailure
from app.loading import load_engines
from app.middleware import error_responses
from app.middleware.api_keys import ApiKey, read_keys
from app.middleware.authentication import RequireKey
from app.middleware.body_limit import BodyLimit
from app.middleware.clients import ClientNames
from app.middleware.forwarded import LastForwarded
from app.middleware.framing import OneFraming
from app.middleware.head_requests import HeadRequests
from app.middleware.header_limit import HeaderLimit
from app.middleware.hosts import AllowedHosts
from app.middleware.rate_limit import RateLimit, close_storage, open_storage
from app.middleware.request_ids import RequestIds
from app.middleware.security_headers import SecurityHeaders
from app.model_sources import reference_index, sources
from app.references.index import References
from app.settings import Settings
from app.telemetry.access_log import access_log
from app.telemetry.metrics import Telemetry
from app.telemetry.request_records import Observer, Observing, register
from app.telemetry.tracing import OFF, Tracing

logger = logging.getLogger(__name__)

Engines = Mapping[ModelName, Engine]


def create_app(
    settings: Settings,
    engines: Engines | None = None,
    on_failure: Callable[[], None] = lambda: None,
    workers: Workers | None = None,
) -> FastAPI:
    """Return the service as an ASGI application.

    Args:
        settings: every knob; nothing else is read from the environment.
        engines: both models, started; None loads them as the settings say.
        on_failure: called once when the models cannot be loaded or warmed up, or when one has
            been dead or stuck for long, so that whoever runs the server can stop it.
        workers: processes for the models, begun already; None begins them when it starts.

    """
    service = _service(settings)
    telemetry = Telemetry(service, settings.max_running)
    tracing = Tracing(settings.otel_endpoint) if settings.otel_endpoint else None
    observers: list[Observer] = [telemetry.observe, access_log(settings.log_texts)]
    if tracing:
        observers.append(tracing.observe)
    counted_in = open_storage(settings.rate_limit_storage)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        own = workers or (Workers(len(service.sources)) if engines is None else None)

        async def both() -> Engines:
            if own is None or engines is not None:
                return engines or {}
            return await load_engines(settings, service.sources, telemetry, own)

        starting = asyncio.create_task(_start(service, settings, both, on_failure))
        yield
        await _stop(service, starting, own)
        await close_storage(counted_in)
        if tracing:
            await asyncio.to_thread(tracing.stop)

    app = FastAPI(
        title="medqa",
        summary="Medical questions answered by GPT-2, fine-tuned and base side by side.",
        version=__version__,
        lifespan=lifespan,
        docs_url=None,  # FastAPI's comes from another site, with an inline script; ours is `page`'s
        redoc_url=None,
        redirect_slashes=False,  # to the Host that the request named, whoever's that is
        telemetry=tracing.config if tracing else OFF,
        generate_unique_id_function=document.operation_id,
    )
    app.state.service = service
    app.state.registry = telemetry.registry
    error_responses.install(app)
    keys = _keys(settings)
    _guard(app, settings, keys, counted_in, observers)
    document.complete(app, keys=bool(keys))
    for room in (answers, references, openai, system, page):
        app.include_router(room.router)
    return app


def _service(settings: Settings) -> Service:
    return Service(
        limits=RequestLimits(
            max_question_characters=settings.max_question_characters,
            default_new_tokens=settings.default_new_tokens,
            max_new_tokens=settings.max_new_tokens,
        ),
        sources=sources(settings),
        red_flags=RedFlags(settings.region, settings.answer_red_flags),
        excerpt_characters=settings.excerpt_characters,
    )


def _keys(settings: Settings) -> list[ApiKey]:
    from_file = read_keys(settings.api_keys_file) if settings.api_keys_file else []
    return [*settings.api_keys, *from_file]


def _guard(
    app: FastAPI,
    settings: Settings,
    keys: Sequence[ApiKey],
    counted_in: Storage,
    observers: Sequence[Observer],
) -> None:
    """Put the app behind what a request must satisfy; the last one added sees it first."""
    app.add_middleware(HeadRequests)
    app.add_middleware(ClientNames, variable=asker)
    app.add_middleware(
        BodyLimit,
        max_body_bytes=settings.max_body_bytes,
        timeout_seconds=settings.receive_timeout_seconds,
    )
    if settings.rate_limit:
        app.add_middleware(RateLimit, limit=parse_limit(settings.rate_limit), storage=counted_in)
    if keys:
        app.add_middleware(RequireKey, keys=keys)
    if settings.cors_origins:
        # Outside the two above: a browser's preflight carries no key, and a refusal that it may
        # not read looks like a broken network. Any header may come, as OpenAI's clients add theirs.
        app.add_middleware(
            CORSMiddleware,
            allow_origins=settings.cors_origins,
            allow_methods=["GET", "POST"],
            allow_headers=["*"],
            expose_headers=["RateLimit", "RateLimit-Policy", "Retry-After", "X-Request-ID"],
        )
    app.add_middleware(OneFraming)
    app.add_middleware(HeaderLimit, max_header_bytes=settings.max_header_bytes)
    if settings.allowed_hosts and "*" not in settings.allowed_hosts:
        app.add_middleware(AllowedHosts, hosts=settings.allowed_hosts)
    app.add_middleware(SecurityHeaders)
    # Outermost: what the others refuse has an id and is counted too, by who asked.
    app.add_middleware(Observing, observers=observers)
    app.add_middleware(RequestIds)
    if settings.trusts_every_proxy:
        app.add_middleware(LastForwarded)


async def _start(
    service: Service,
    settings: Settings,
    engines: Callable[[], Awaitable[Engines]],
    on_failure: Callable[[], None],
) -> None:
    try:
        if directory := reference_index(settings):
            service.references = await asyncio.to_thread(References, directory)
        answerers = _answerers(settings, await engines())
        fine_tuned = answerers["fine-tuned"]
        if service.references and fine_tuned.prompt_format.context:
            service.reader = Reader(
                service.references, fine_tuned.prompt_format, fine_tuned.engine.checkpoint
            )
        await service.warm_up(answerers)
        logger.info("ready")
    except (CheckpointError, IndexFailure) as error:
        logger.error("cannot start: %s", error)
    except Exception:
        logger.exception("cannot start")
    if service.step != "ready":
        service.step = "failed"
        on_failure()
        return
    await service.watch(settings.failure_grace_seconds)
    on_failure()


async def _stop(service: Service, starting: asyncio.Task[None], own: Workers | None) -> None:
    """End the models, whether they have started or are just about to; `own`: their processes."""
    service.step = "draining"
    starting.cancel()
    await asyncio.gather(starting, return_exceptions=True)
    for answerer in service.answerers.values():
        answerer.engine.stop()
    if own:
        await asyncio.to_thread(own.close)
    if service.references:
        service.references.close()


def _answerers(settings: Settings, engines: Engines) -> dict[ModelName, Answerer]:
    found = PromptFormat.of_model(engines["fine-tuned"].checkpoint)
    deadlines = Deadlines(settings.queue_timeout_seconds, settings.request_timeout_seconds)
    guards: dict[ModelName, int | None] = {
        "fine-tuned": settings.no_repeat_ngram_size,
        "base": settings.base_no_repeat_ngram_size,
    }
    answerers = {}
    for model, engine in engines.items():
        found.reserve_markers(engine.checkpoint.tokenizer)
        guard = guards[model]
        guard = engine.checkpoint.no_repeat_ngram_size if guard is None else guard
        answerers[model] = Answerer(model, engine, found, deadlines, guard, register)
    return answerers
