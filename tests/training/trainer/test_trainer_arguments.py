"""A recipe that compiles goes on without a compiler, and says so."""

from pathlib import Path

import pytest

from tests.training.test_finetune import recipe
from training.trainer.trainer_arguments import can_compile, training_arguments


def test_without_a_compiler_a_recipe_is_not_compiled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    plan = recipe(1).finetuning.optimisation.model_copy(update={"compiled": True})
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CXX", raising=False)
    assert not can_compile()
    assert not training_arguments(plan, tmp_path, 1).torch_compile
    assert "no C compiler" in caplog.text
    compiler = tmp_path / "g++"
    compiler.write_text("#!/bin/sh\n")
    compiler.chmod(0o755)
    assert can_compile()
    assert training_arguments(plan, tmp_path, 1).torch_compile


def test_a_compiler_that_is_named_is_the_one_that_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CXX", str(tmp_path / "none"))
    assert not can_compile()
