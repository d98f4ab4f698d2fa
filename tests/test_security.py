"""SECURITY.md tells the truth: its files, tests and settings exist, and so do its commands."""

import re
from pathlib import Path

import yaml

from app.settings import Settings

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / ".github/SECURITY.md").read_text(encoding="utf-8")


def test_files_and_tests_named_exist() -> None:
    rows = [line.split(" | ") for line in PAGE.splitlines() if line.startswith("| ")][2:]
    assert len(rows) > 10
    for _, by, tests in rows:
        for path in re.findall(r"`((?:app|\.github)/[\w./]+)`", by):
            assert (ROOT / path).exists(), path
        for path in re.findall(r"`(app/[\w./]+)`", tests):
            assert (ROOT / "tests" / path).is_file(), path


def test_settings_named_exist() -> None:
    named = {name.removeprefix("MEDQA_").lower() for name in re.findall(r"MEDQA_[A-Z_]+", PAGE)}
    assert named
    assert named <= set(Settings.model_fields)


def test_limits_named_are_the_defaults() -> None:
    defaults = {name: field.get_default() for name, field in Settings.model_fields.items()}
    assert f"{defaults['max_header_bytes'] // 1024} KiB of headers" in PAGE
    assert f"{defaults['max_body_bytes'] // 1024} KiB of body" in PAGE
    assert f"{defaults['max_question_characters']:,} characters" in PAGE
    assert f"{defaults['max_new_tokens']:,} new tokens" in PAGE


def test_the_workflow_audits_as_the_page_says() -> None:
    command = next(line for line in PAGE.splitlines() if line.startswith("pip-audit"))
    jobs = yaml.safe_load((ROOT / ".github/workflows/ci.yaml").read_text())["jobs"]
    assert {"run": command} in jobs["audit"]["steps"]
    assert "audit" in jobs["images"]["needs"]
