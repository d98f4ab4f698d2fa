"""The manifests build, fit Kubernetes' schemas, and match what the service does."""

import shutil
import subprocess
from typing import Any

import kubernetes_validate
import pytest
import yaml

from app.main import create_app
from app.settings import Settings
from tests.docker.conftest import DOCKER

MODEL_STOP_SECONDS = 2 * 10  # both engines, one after the other
BUILT = ["base", "overlays/cpu", "overlays/gpu"]
CUSTOM = {"ServiceMonitor"}  # of an operator, so in no schema of Kubernetes

pytestmark = pytest.mark.skipif(not shutil.which("kubectl"), reason="needs kubectl")
Resource = dict[str, Any]


def build(path: str) -> list[Resource]:
    done = subprocess.run(
        ["kubectl", "kustomize", str(DOCKER / "kubernetes" / path)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return list(yaml.safe_load_all(done.stdout))


@pytest.fixture(scope="module", params=BUILT)
def resources(request: pytest.FixtureRequest) -> list[Resource]:
    return build(request.param)


def of_kind(resources: list[Resource], kind: str) -> Resource:
    return next(resource for resource in resources if resource["kind"] == kind)


def pod_of(resources: list[Resource]) -> Resource:
    pod: Resource = of_kind(resources, "Deployment")["spec"]["template"]["spec"]
    return pod


def routes() -> set[str]:
    return set(create_app(Settings(_env_file=None)).openapi()["paths"])


def test_schemas(resources: list[Resource]) -> None:
    for resource in resources:
        if resource["kind"] not in CUSTOM:
            kubernetes_validate.validate(resource, "1.34", strict=True)


def test_probes_ask_routes_that_exist(resources: list[Resource]) -> None:
    container = pod_of(resources)["containers"][0]
    asked = {
        container[f"{kind}Probe"]["httpGet"]["path"]
        for kind in ("startup", "readiness", "liveness")
    }
    assert asked == {"/readyz", "/healthz"}
    assert asked <= routes()


def test_the_grace_covers_the_drain(resources: list[Resource]) -> None:
    settings = Settings(_env_file=None)
    configured = of_kind(resources, "ConfigMap")["data"]
    drain = int(configured.get("MEDQA_DRAIN_SECONDS", settings.drain_seconds))
    pod = pod_of(resources)
    before = pod["containers"][0]["lifecycle"]["preStop"]["sleep"]["seconds"]
    assert pod["terminationGracePeriodSeconds"] >= before + drain + MODEL_STOP_SECONDS


def test_a_stuck_process_may_end_by_itself_first(resources: list[Resource]) -> None:
    probe = pod_of(resources)["containers"][0]["livenessProbe"]
    patience = probe["periodSeconds"] * probe["failureThreshold"]
    settings = Settings(_env_file=None)
    assert patience > settings.stall_seconds + settings.failure_grace_seconds


def test_the_service_name_does_not_set_the_port(resources: list[Resource]) -> None:
    """Links of a service called medqa are MEDQA_PORT=tcp://…, which is no port of ours."""
    assert pod_of(resources)["enableServiceLinks"] is False


def test_confined(resources: list[Resource]) -> None:
    pod = pod_of(resources)
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["automountServiceAccountToken"] is False
    container = pod["containers"][0]
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert {mount["mountPath"] for mount in container["volumeMounts"]} >= {"/tmp"}


def test_everything_selects_the_pods_and_no_others(resources: list[Resource]) -> None:
    labels = {"app.kubernetes.io/name": "medqa"}
    assert of_kind(resources, "Deployment")["spec"]["selector"]["matchLabels"] == labels
    assert of_kind(resources, "Service")["spec"]["selector"] == labels
    assert of_kind(resources, "PodDisruptionBudget")["spec"]["selector"]["matchLabels"] == labels
    assert of_kind(resources, "NetworkPolicy")["spec"]["podSelector"]["matchLabels"] == labels


def test_settings_exist(resources: list[Resource]) -> None:
    named = of_kind(resources, "ConfigMap")["data"]
    assert {name.removeprefix("MEDQA_").lower() for name in named} <= set(Settings.model_fields)


@pytest.mark.parametrize("overlay", BUILT[1:])
def test_scaling_and_scraping_find_what_they_ask_for(overlay: str) -> None:
    resources = build(overlay)
    endpoint = of_kind(resources, "ServiceMonitor")["spec"]["endpoints"][0]
    assert endpoint["path"] in routes()
    assert endpoint["port"] in [
        port["name"] for port in of_kind(resources, "Service")["spec"]["ports"]
    ]
    registry = create_app(Settings(_env_file=None)).state.registry
    wanted = {
        metric["pods"]["metric"]["name"]
        for metric in of_kind(resources, "HorizontalPodAutoscaler")["spec"]["metrics"]
    }
    assert wanted == {"medqa_waiting", "medqa_running"}
    assert wanted <= {family.name for family in registry.collect()}
    assert "replicas" not in of_kind(resources, "Deployment")["spec"]


def test_the_gpu_overlay_asks_for_one() -> None:
    resources = build("overlays/gpu")
    assert of_kind(resources, "ConfigMap")["data"]["MEDQA_DEVICE"] == "cuda"  # or it is an error
    overlay = DOCKER / "kubernetes" / "overlays" / "gpu" / "kustomization.yaml"
    assert "driver 580.65" in overlay.read_text(encoding="utf-8")
    container = pod_of(resources)["containers"][0]
    cpu = pod_of(build("overlays/cpu"))["containers"][0]["resources"]["limits"]
    for name in ("cpu", "memory"):
        assert container["resources"]["limits"][name] != cpu.get(name)
    assert container["resources"]["limits"]["nvidia.com/gpu"] == "1"
    assert container["image"].endswith("-cu130")
