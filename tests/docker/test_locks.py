"""Both locks: the same versions, a hash for all that serves, nothing of where it was fetched."""

import re
import tomllib

from app import __version__
from tests.docker.conftest import DOCKER

LOCK = (DOCKER / "requirements.lock").read_text(encoding="utf-8")
HASHED = (DOCKER / "serve.lock").read_text(encoding="utf-8")


def pinned(lock: str) -> dict[str, str]:
    return dict(re.findall(r"^([\w.-]+)==([\w.+]+)", lock, re.MULTILINE))


def test_the_same_versions() -> None:
    assert pinned(HASHED).items() <= pinned(LOCK).items()


def test_all_that_serves_has_hashes() -> None:
    project = tomllib.loads((DOCKER.parent / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    wanted = project["dependencies"] + extras["otel"] + extras["redis"]
    names = {re.split(r"[^\w.-]", each)[0].lower() for each in wanted}
    assert {name for name in names if name not in pinned(HASHED)} == set()
    entries = re.split(r"\n(?=\w)", HASHED.strip())
    assert len(entries) == len(pinned(HASHED))
    assert [entry for entry in entries if "--hash=sha256:" not in entry] == []


def test_no_lock_says_where_it_came_from() -> None:
    for lock in (LOCK, HASHED):
        told = "\n".join(line for line in lock.splitlines() if not line.startswith("#"))
        assert re.findall(r"^-|://|index-url|find-links|trusted-host", told, re.MULTILINE) == []
        assert "://" not in lock


def test_manifests_name_the_version() -> None:
    for path, tag in {"base": __version__, "overlays/gpu": f"{__version__}-cu130"}.items():
        text = (DOCKER / "kubernetes" / path / "kustomization.yaml").read_text(encoding="utf-8")
        assert re.findall(r"newTag: (\S+)", text) == [tag]
