"""The workflow fits GitHub's schema and runs what exists; `make check-deploy` has actionlint."""

import re
from typing import Any

import pytest
import yaml

from tests.docker.conftest import DOCKER
from tests.docker.test_compose import check

GITHUB = DOCKER.parent / ".github"
WORKFLOW = GITHUB / "workflows/ci.yaml"


@pytest.mark.parametrize(
    ("schema", "path"),
    [("github-workflows", WORKFLOW), ("dependabot", GITHUB / "dependabot.yml")],
    ids=lambda value: str(value).rsplit("/", maxsplit=1)[-1],
)
def test_schema(schema: str, path: Any) -> None:
    check(schema, str(path))


def test_targets_exist() -> None:
    text = WORKFLOW.read_text(encoding="utf-8")
    makefile = (DOCKER.parent / "Makefile").read_text(encoding="utf-8")
    named = set(re.findall(r"run: make ([a-z-]+)", text))
    assert {"lint", "test", "image-test", "check-deploy"} <= named
    assert all(f"\n{target}:" in makefile for target in named)
    dockerfile = (DOCKER.parent / "Dockerfile").read_text(encoding="utf-8")
    images = yaml.safe_load(text)["jobs"]["images"]["strategy"]["matrix"]["include"]
    assert {image["target"] for image in images} == {"serve", "train"}
    assert all(f"AS {image['target']}\n" in dockerfile for image in images)


def test_only_the_images_may_write() -> None:
    workflow = yaml.safe_load(WORKFLOW.read_text(encoding="utf-8"))
    assert workflow["permissions"] == {"contents": "read"}
    writers = {name for name, job in workflow["jobs"].items() if "permissions" in job}
    assert writers == {"images"}


def test_actions_are_pinned_by_commit() -> None:
    used = re.findall(r"uses: (\S+)(.*)", WORKFLOW.read_text(encoding="utf-8"))
    assert len(used) > 5
    for action, comment in used:
        assert re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40}", action), action
        assert re.fullmatch(r"  # v\d+\.\d+\.\d+", comment), action  # what Dependabot reads


def test_what_is_published_is_what_was_scanned() -> None:
    steps = yaml.safe_load(WORKFLOW.read_text(encoding="utf-8"))["jobs"]["images"]["steps"]
    builds = [step for step in steps if "build-push-action" in step.get("uses", "")]
    assert len(builds) == 1
    assert "push-by-digest=true" in builds[0]["with"]["outputs"]
    said = [step.get("uses", "") + step.get("run", "") for step in steps]
    scan, promotion = (
        next(number for number, words in enumerate(said) if mark in words)
        for mark in ("scan-action", "imagetools create")
    )
    digest = f"steps.{builds[0]['id']}.outputs.digest"
    assert digest in steps[scan]["with"]["image"]
    assert digest in steps[promotion]["env"]["DIGEST"]
    assert steps.index(builds[0]) < scan < promotion
