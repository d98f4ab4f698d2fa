"""The service as Ray deploys it; needs Ray, as `make cluster-test`, which runs a cluster of it."""

import re
import warnings
from typing import Any

import pytest
import yaml

from app.main import create_app
from app.settings import Settings
from tests.app.conftest import ROOT, FakeEngine

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # of Ray's own use of pydantic
    pytest.importorskip("ray.serve", reason="needs the extra ray (make cluster-test)")

from app import cluster
from app.engine.checkpoint import Checkpoint


@pytest.fixture(autouse=True)
def nothing_else_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MEDQA_MAX_RUNNING", "4")
    monkeypatch.setenv("MEDQA_MAX_WAITING", "2")
    monkeypatch.setenv("MEDQA_DRAIN_SECONDS", "7")


def test_a_full_replica_refuses_before_ray_does() -> None:
    built = cluster.app(cluster.Cluster(min_replicas=2, max_replicas=3, num_cpus=1))
    deployment = built._bound_deployment
    assert deployment._deployment_config.max_ongoing_requests > 2 * (4 + 2)
    assert deployment._deployment_config.backpressure_config.status_code == 429
    assert deployment._deployment_config.graceful_shutdown_timeout_s > 7
    assert deployment._deployment_config.autoscaling_config.max_replicas == 3


def test_a_replica_computes_on_its_share_of_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    def threads(num_cpus: float) -> int:
        built = cluster.app(cluster.Cluster(num_cpus=num_cpus))
        settings: Settings = built._bound_deployment.init_args[0]
        return settings.cpu_threads

    assert [threads(num_cpus) for num_cpus in (0.5, 1, 6)] == [1, 1, 6]
    monkeypatch.setenv("MEDQA_CPU_THREADS", "3")
    assert threads(6) == 3


def test_unknown_arguments_are_refused() -> None:
    with pytest.raises(ValueError, match="replicas"):
        cluster.Cluster.model_validate({"replicas": 2})


async def test_healthy_once_ready_and_not_after_a_model_has_died(
    fine_tuned: Checkpoint, base: Checkpoint
) -> None:
    replica = cluster.Replica(Settings())
    engines: Any = {"fine-tuned": FakeEngine(fine_tuned, "A"), "base": FakeEngine(base, "The")}
    replica._app = create_app(Settings(), engines)
    async with replica._app.router.lifespan_context(replica._app):
        assert replica._app.state.service.step != "ready"
        await replica.check_health()
        assert replica._app.state.service.step == "ready"
        engines["base"].alive = False
        with pytest.raises(RuntimeError, match="died"):
            await replica.check_health()


def test_the_arguments_shown_to_operators_are_taken() -> None:
    page = (ROOT / "docker/README.md").read_text(encoding="utf-8")
    command = re.findall(r"^serve run app.cluster:app (.+)$", page, re.MULTILINE)[0]
    shown = dict(argument.split("=") for argument in command.split())
    assert cluster.Cluster.model_validate(shown).min_replicas == 2
    config = yaml.safe_load((ROOT / "docker/ray.yaml").read_text(encoding="utf-8"))
    arguments = config["applications"][0]["args"]
    assert cluster.Cluster.model_validate(arguments).max_replicas == 8
