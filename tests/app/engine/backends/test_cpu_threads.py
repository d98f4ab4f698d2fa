"""Threads stay within what a container may use."""

import os
from pathlib import Path

import pytest

from app.engine.backends.cpu_threads import cpu_threads


@pytest.mark.parametrize(
    ("quota", "threads"),
    [("max 100000", 8), ("100000 100000", 1), ("250000 100000", 3), ("50000 100000", 1),
     ("9900000 100000", 8), ("", 8)],
)  # fmt: skip
def test_threads_stay_within_the_quota(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, quota: str, threads: int
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)))
    (tmp_path / "cpu.max").write_text(quota)
    assert cpu_threads(tmp_path / "cpu.max") == threads
    assert cpu_threads(tmp_path / "none") == 8
