"""Threads are counted from what a container may use."""

import os
from pathlib import Path

import pytest

from app.engine.backends.processor import cpu_threads


@pytest.mark.parametrize(
    ("quota", "threads"),
    [("150000 100000", 2), ("100000 100000", 1), ("50000 100000", 1), ("max 100000", 4), ("?", 4)],
)
def test_threads_stay_within_the_quota(
    quota: str, threads: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1, 2, 3}, raising=False)
    file = tmp_path / "cpu.max"
    file.write_text(quota)
    assert cpu_threads(file) == threads


def test_without_a_quota_all_allowed_cores_count(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 5, 7}, raising=False)
    assert cpu_threads(tmp_path / "none") == 3
