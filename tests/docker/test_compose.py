"""The compose files fit their specification, and match what the service does."""

import re
import subprocess
import sys
from typing import Any

import pytest
import yaml

from app.settings import Settings
from tests.docker.conftest import DOCKER

FILES = ["compose.yaml", "compose.gpu.yaml", "compose.observability.yaml"]


def services(file: str) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((DOCKER / file).read_text(encoding="utf-8"))["services"]
    return found


def check(schema: str, path: str) -> None:
    """Hold a file against a schema that check-jsonschema brings along."""
    done = subprocess.run(
        [sys.executable, "-m", "check_jsonschema", "--builtin-schema", f"vendor.{schema}", path],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("file", FILES)
def test_specification(file: str) -> None:
    check("compose-spec", str(DOCKER / file))


def test_the_service_is_confined() -> None:
    medqa = services("compose.yaml")["medqa"]
    assert medqa["read_only"] is True
    assert medqa["cap_drop"] == ["ALL"]
    assert medqa["security_opt"] == ["no-new-privileges:true"]
    assert medqa["user"] == "10001:10001"
    assert set(medqa["deploy"]["resources"]["limits"]) == {"cpus", "memory", "pids"}
    assert medqa["ports"][0].startswith("${PUBLISH:-127.0.0.1:")


def test_it_has_time_to_drain() -> None:
    grace = int(services("compose.yaml")["medqa"]["stop_grace_period"].removesuffix("s"))
    assert grace >= Settings(_env_file=None).drain_seconds + 2 * 10  # both engines stop


def test_files_mounted_exist() -> None:
    for service in services("compose.observability.yaml").values():
        for volume in service["volumes"]:
            source = volume.split(":")[0]
            if source.startswith("."):
                assert (DOCKER / source).is_dir()


def test_settings_exist() -> None:
    for file in FILES:
        for service in services(file).values():
            named = [name for name in service.get("environment", {}) if name.startswith("MEDQA_")]
            fields = {name.removeprefix("MEDQA_").lower() for name in named}
            assert fields <= set(Settings.model_fields)


def test_a_gpu_that_is_missing_is_an_error_and_not_a_slow_service() -> None:
    gpu, cpu = services("compose.gpu.yaml")["medqa"], services("compose.yaml")["medqa"]
    assert gpu["environment"]["MEDQA_DEVICE"] == "${MEDQA_DEVICE:-cuda}"
    reserved = gpu["deploy"]["resources"]["reservations"]["devices"]
    assert [device["driver"] for device in reserved] == ["nvidia"]
    limits = gpu["deploy"]["resources"]["limits"]
    assert limits["cpus"] != cpu["deploy"]["resources"]["limits"]["cpus"]
    assert limits["memory"] != cpu["deploy"]["resources"]["limits"]["memory"]
    comment = (DOCKER / "compose.gpu.yaml").read_text(encoding="utf-8")
    assert "driver 580.65" in comment


def test_a_cluster_is_told_how_many_cards_a_replica_gets() -> None:
    config = yaml.safe_load((DOCKER / "ray.yaml").read_text(encoding="utf-8"))
    assert "num_gpus" in config["applications"][0]["args"]


def test_what_only_some_builds_of_pytorch_have_is_removed_if_it_is_there() -> None:
    text = (DOCKER.parent / "Dockerfile").read_text(encoding="utf-8").replace("\\\n", " ")
    removals = re.findall(r"\brm (-\w+) [^&\n]*site-packages/torch/", text)
    assert removals == ["-rf", "-rf"]  # in the image that serves and in the one that trains
