"""What operators read tells the truth: settings, files, targets, manifests and commands exist."""

import re
import runpy
import subprocess
from pathlib import Path

import kubernetes_validate
import yaml

from app.middleware.api_keys import read_keys
from app.settings import Settings
from tests.docker.conftest import DOCKER

ROOT = DOCKER.parent
PAGE = (DOCKER / "README.md").read_text(encoding="utf-8")
OPERATIONS = (DOCKER / "OPERATIONS.md").read_text(encoding="utf-8")
SHELL = "\n".join(re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL))


def test_the_table_of_settings_is_the_settings() -> None:
    """If this fails, run `python docker/settings_table.py`."""
    maker = runpy.run_path(str(DOCKER / "settings_table.py"))
    assert maker["page_with_table"](PAGE) == PAGE


def test_the_table_has_every_setting_and_its_default() -> None:
    table = PAGE.partition("<!-- settings:")[2]
    rows = re.findall(r"^\| `MEDQA_(\w+)` \| ([^|]+) \| ([^|]*) \|", table, re.MULTILINE)
    assert [name.lower() for name, _, _ in rows] == list(Settings.model_fields)
    found = {name: (takes, default.strip()) for name, takes, default in rows}
    assert found["DRAIN_SECONDS"] == ("whole number", "`30`")
    assert found["LOG_TEXTS"] == ("true or false", "`false`")
    assert found["TRUSTED_PROXIES"] == ("list", "`127.0.0.1`")
    assert found["API_KEYS_FILE"] == ("path", "")


def test_variables_exist() -> None:
    named = {name.removeprefix("MEDQA_").lower() for name in re.findall(r"MEDQA_[A-Z_]+", PAGE)}
    assert named <= set(Settings.model_fields)


def test_files_named_exist() -> None:
    named = re.findall(r"-f (\S+\.yaml)|-k (\S+)|serve deploy (\S+)", SHELL)
    paths = {ROOT / path for groups in named for path in groups if path}
    paths |= {DOCKER / path for path in re.findall(r"\]\(([a-z][\w/.-]+)\)", PAGE)}
    assert len(paths) > 5
    assert {path for path in paths if not Path(path).exists()} == set()


def test_make_targets_exist() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    named = set(re.findall(r"`make ([a-z-]+)`", PAGE))
    assert named
    assert {name for name in named if f"\n{name}:" not in makefile} == set()


def test_operations_names_what_exists() -> None:
    named = {
        name.removeprefix("MEDQA_").lower() for name in re.findall(r"MEDQA_[A-Z_]+", OPERATIONS)
    }
    assert named <= set(Settings.model_fields)
    links = re.findall(r"\]\(([a-zA-Z][\w/.-]+)(?:#[\w-]+)?\)", OPERATIONS)
    assert links
    assert [link for link in links if not (DOCKER / link).exists()] == []
    alerts = (DOCKER / "prometheus/alerts.yaml").read_text(encoding="utf-8")
    assert [name for name in re.findall(r"`(Medqa\w+)`", OPERATIONS) if name not in alerts] == []
    assert 'severity = "page"' in OPERATIONS
    assert "severity: page" in alerts


def test_operations_manifests_fit() -> None:
    blocks = re.findall(r"```yaml\n(.*?)```", OPERATIONS, re.DOTALL)
    fill, ingress, alertmanager, alerting = map(yaml.safe_load, blocks)
    for manifest in (fill, ingress):
        kubernetes_validate.validate(manifest, "1.34", strict=True)
    claim = yaml.safe_load((DOCKER / "kubernetes/components/models/claim.yaml").read_text())
    [volume] = fill["spec"]["volumes"]
    assert volume["persistentVolumeClaim"]["claimName"] == claim["metadata"]["name"]
    assert "restricted" in (DOCKER / "kubernetes/overlays/cpu/namespace.yaml").read_text()
    [container] = fill["spec"]["containers"]
    assert fill["spec"]["securityContext"]["runAsNonRoot"], "or the namespace refuses the pod"
    assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    assert list(alerting["alerting"]) == ["alertmanagers"]
    service = ingress["spec"]["rules"][0]["http"]["paths"][0]["backend"]["service"]
    manifest = yaml.safe_load((DOCKER / "kubernetes/base/service.yaml").read_text())
    assert service["name"] == manifest["metadata"]["name"]
    assert service["port"]["name"] == manifest["spec"]["ports"][0]["name"]
    receivers = {receiver["name"] for receiver in alertmanager["receivers"]}
    route = alertmanager["route"]
    assert {route["receiver"], *(each["receiver"] for each in route["routes"])} == receivers


def test_operations_seconds_fit_the_settings() -> None:
    settings = Settings(_env_file=None)
    read = re.findall(r'proxy.read.timeout"?:? "?(\d+)', OPERATIONS)
    assert len(read) == 2
    assert all(int(seconds) > settings.request_timeout_seconds for seconds in read)
    idle = re.findall(r"keepalive_timeout (\d+)s", OPERATIONS)
    assert idle
    assert all(int(seconds) < settings.keep_alive_seconds for seconds in idle)
    assert settings.max_body_bytes <= 64 * 1024
    assert OPERATIONS.count("64k") == 2


def test_operations_keys_are_read(tmp_path: Path) -> None:
    """The commands that make a key are run, as they stand."""
    lines = [line for line in OPERATIONS.splitlines() if line.startswith(("KEY=", "echo "))]
    assert len(lines) == 2
    subprocess.run(["bash", "-c", "\n".join(lines)], cwd=tmp_path, check=True, timeout=60)
    [key] = read_keys(tmp_path / "medqa-keys")
    assert key.name == "alice"
