"""GET /healthz, /readyz, /info and /metrics: for orchestrators, monitors and curious people."""

from dataclasses import asdict

from fastapi import APIRouter, Request, Response
from fastapi.responses import PlainTextResponse
from prometheus_client.exposition import choose_encoder

from app import __version__
from app.answering.answerer import Answerer
from app.api.dependencies import ServiceDependency
from app.api.document import problems
from app.api.reference_schemas import ReferencesInfo
from app.api.references import HINT
from app.api.system_schemas import Info, ModelInfo, Status
from app.engine.interface import public_name
from app.libraries import libraries
from app.references.index import References

router = APIRouter(tags=["system"], responses=problems(500))


@router.get("/healthz", responses={503: {"model": Status}})
async def healthz(service: ServiceDependency, response: Response) -> Status:
    """Whether the process lives: 503 once an inference thread has died or is stuck."""
    if service.alive and service.step != "failed":
        return Status(status="alive")
    response.status_code = 503
    return Status(status="failed")


@router.get("/readyz", responses={503: {"model": Status}})
async def readyz(service: ServiceDependency, response: Response) -> Status:
    """Whether questions are accepted: 503 with the step it is in until then."""
    if not service.ready:
        response.status_code = 503
    return Status(status=service.step if service.alive else "failed")


@router.get("/info", responses=problems(503))
async def info(service: ServiceDependency) -> Info:
    """What is served: models, revisions, device, prompt, limits, versions."""
    answerers = service.admit()
    some = answerers["fine-tuned"]
    return Info(
        version=__version__,
        models=[_model(answerer) for answerer in answerers.values()],
        prompt=some.prompt_format.render("{question}"),
        stop=some.prompt_format.stop,
        limits=asdict(service.limits),
        in_flight={model: answerer.engine.in_flight for model, answerer in answerers.items()},
        libraries=libraries(),
        references=_references(service.references),
        region=service.red_flags.region,
        grounded=service.reader is not None,
    )


@router.get("/metrics", response_class=PlainTextResponse)
async def metrics(request: Request) -> Response:
    """What is counted and measured, in the format that Prometheus asks for."""
    encode, content_type = choose_encoder(request.headers.get("accept", ""))
    return Response(encode(request.app.state.registry), headers={"Content-Type": content_type})


def _references(index: References | None) -> ReferencesInfo:
    if index is None:
        return ReferencesInfo(questions=0, answered=0, hint=HINT)
    return ReferencesInfo(questions=len(index), answered=index.settings["answered"])


def _model(answerer: Answerer) -> ModelInfo:
    checkpoint = answerer.engine.checkpoint
    return ModelInfo(
        name=answerer.model,
        source=public_name(checkpoint.source),
        revision=checkpoint.revision,
        parameters=checkpoint.parameters,
        vocabulary=len(checkpoint.tokenizer),
        context_tokens=checkpoint.context_tokens,
        device=checkpoint.device,
        device_reason=answerer.engine.device_reason,
        max_running=answerer.engine.limits.max_running,
        max_batch_tokens=answerer.engine.limits.max_batch_tokens,
        dtype=checkpoint.dtype,
        no_repeat_ngram_size=answerer.no_repeat_ngram_size,
        drafted_tokens=answerer.engine.drafted,
        accepted_tokens=answerer.engine.accepted,
    )
