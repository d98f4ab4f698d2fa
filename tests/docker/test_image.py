"""What the image is made of, as far as it can be told without building it (`make image-test`)."""

import subprocess
import sys
import sysconfig
import tomllib
from pathlib import Path

from tests.app.server_process import Server
from tests.docker.conftest import DOCKER

ROOT = DOCKER.parent
DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")


def test_hadolint() -> None:
    hadolint = Path(sysconfig.get_path("scripts")) / "hadolint"
    done = subprocess.run(
        [str(hadolint), str(ROOT / "Dockerfile")],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_what_is_copied_is_in_the_context() -> None:
    ignore = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    allowed = [line.removeprefix("!") for line in ignore if line.startswith("!")]
    copied = [
        word
        for line in DOCKERFILE.splitlines()
        if line.startswith("COPY ") and "--from" not in line
        for word in line.split()[1:-1]
    ]
    assert "app" in copied
    assert {"docker/requirements.lock", "docker/serve.lock"} <= set(copied)
    for path in copied:
        assert (ROOT / path).exists()
        assert path in allowed


def requirements(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(DOCKER / "requirements.py"), str(ROOT / "pyproject.toml"), *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_requirements_are_those_of_the_project_and_the_extras_named() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert requirements().stdout.splitlines() == project["dependencies"]
    chosen = requirements("otel,redis").stdout.splitlines()
    extras = project["optional-dependencies"]
    assert chosen == project["dependencies"] + extras["otel"] + extras["redis"]
    assert requirements("otell").returncode != 0


def healthcheck(port: int) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(DOCKER / "healthcheck.py")],
        env={"MEDQA_PORT": str(port)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_healthcheck_follows_the_service(demo: Server) -> None:
    assert healthcheck(demo.port).returncode == 0


def test_healthcheck_fails_where_nobody_serves() -> None:
    done = healthcheck(1)
    assert done.returncode == 1
    assert done.stdout.startswith("not reached")
