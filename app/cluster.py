"""`serve run app.cluster:app`: the same application as replicas on a Ray cluster.

Ray places, counts, restarts and balances; each replica is one whole service with both models. Needs
the extra `ray`. Knows nothing about questions or answers.
"""

import asyncio
from typing import Annotated, Any

import ray
from annotated_types import Ge
from fastapi import FastAPI
from pydantic import BaseModel, ConfigDict, Field
from ray import serve
from ray.serve.config import AutoscalingConfig, BackpressureConfig
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app import logs
from app.main import create_app
from app.replica_cards import placed
from app.settings import Settings

_READY_SECONDS = 0.1
_HEALTH_SECONDS = 2
_ENGINE_STOP_SECONDS = 20
"""Both models, at most ten seconds each."""
_SPARE_REQUESTS = 32
"""Refusals, health checks and scrapes that a full replica still takes."""


class Cluster(BaseModel):
    """What `serve run app.cluster:app NAME=VALUE…` may say; the rest is `Settings`."""

    model_config = ConfigDict(extra="forbid")

    min_replicas: Annotated[int, Ge(1)] = Field(1, description="Replicas when nobody asks.")
    max_replicas: Annotated[int, Ge(1)] = Field(4, description="Most replicas, when many ask.")
    target_ongoing_requests: Annotated[float, Field(gt=0)] = Field(
        12.0, description="Requests per replica that autoscaling aims at; its batch holds 16."
    )
    max_queued_requests: Annotated[int, Ge(1)] = Field(
        1_024, description="Requests that may wait in a proxy for a replica to take or refuse them."
    )
    num_cpus: Annotated[float, Field(gt=0)] = Field(2.0, description="Cores of one replica.")
    num_gpus: Annotated[float, Ge(0)] | None = Field(
        None,
        description="GPUs of one replica; a cluster that has any must be told, if need be 0.",
    )


class Replica:
    """One service in a Ray actor: ready once its models are, unhealthy once one of them is not."""

    def __init__(self, settings: Settings) -> None:
        logs.configure(settings.log_level, settings.log_format)
        self._settings = settings
        self._app: FastAPI | None = None

    def __serve_build_asgi_app__(self) -> ASGIApp:
        """Build the application here, where it is served: models do not travel."""
        self._app = create_app(self._settings)
        return _WithoutRequestId(self._app)

    async def check_health(self) -> None:
        """Wait while the models load: Ray sends requests once this has first returned.

        Raises:
            RuntimeError: a model could not be loaded, has died or is stuck; Ray starts another
                replica in this one's place.

        """
        assert self._app is not None
        service = self._app.state.service
        while service.step in {"loading", "warming up"}:  # noqa: ASYNC110 - a state, not an event
            await asyncio.sleep(_READY_SECONDS)
        if service.step == "failed" or not service.alive:
            raise RuntimeError("a model could not be loaded, has died or is stuck")


class _WithoutRequestId:
    """ASGI middleware: Ray's proxy adds the request's id to each response; twice is once too often.

    It is the same id: the proxy hands the application its own, or the client's.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def without(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = [pair for pair in message["headers"] if pair[0] != b"x-request-id"]
                message = {**message, "headers": headers}
            await send(message)

        await self._app(scope, receive, without)


def app(cluster: Cluster) -> serve.Application:
    """Return the application for `serve run`; settings are read here, and go to every replica."""
    resources = ray.cluster_resources() if ray.is_initialized() else {}
    settings = placed(Settings(), cluster.num_gpus, resources.get("GPU", 0.0))
    if settings.cpu_threads == 0:  # a replica's share of its machine, not the whole of it
        settings = settings.model_copy(update={"cpu_threads": max(1, int(cluster.num_cpus))})
    deployment: Any = serve.deployment(
        name="medqa",
        ray_actor_options={"num_cpus": cluster.num_cpus, "num_gpus": cluster.num_gpus or 0},
        autoscaling_config=AutoscalingConfig(
            min_replicas=cluster.min_replicas,
            max_replicas=cluster.max_replicas,
            target_ongoing_requests=cluster.target_ongoing_requests,
        ),
        # Above all places of both models: a full replica refuses by itself, with our problem and
        # its own estimate. Ray's limits are for a flood that comes faster than refusals.
        max_ongoing_requests=_places(settings) + _SPARE_REQUESTS,
        max_queued_requests=cluster.max_queued_requests,
        backpressure_config=BackpressureConfig(status_code=429, retry_after_s=1),
        graceful_shutdown_timeout_s=settings.drain_seconds + _ENGINE_STOP_SECONDS,
        health_check_period_s=_HEALTH_SECONDS,
    )(serve.ingress()(Replica))
    bound: serve.Application = deployment.bind(settings)
    return bound


def _places(settings: Settings) -> int:
    """Return the requests that one replica's two models hold, running and waiting."""
    return 2 * (settings.max_running + settings.max_waiting)
