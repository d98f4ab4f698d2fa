"""Which pair is served, by what is set and what there is."""

from pathlib import Path

import pytest

from app import model_sources
from app.engine.interface import Source
from app.model_sources import DEMO, GPT2, GPT2_REVISION, sources
from app.settings import Settings


@pytest.fixture(autouse=True)
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No .env file and no trained model of this machine's."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(model_sources, "TRAINED", tmp_path / "gpt2-medquad")


def test_the_demo_pair_is_the_default() -> None:
    assert sources(Settings()) == {
        "fine-tuned": Source(str(DEMO / "fine-tuned")),
        "base": Source(str(DEMO / "base")),
    }


def test_a_trained_model_is_compared_with_gpt2(tmp_path: Path) -> None:
    (tmp_path / "gpt2-medquad").mkdir()
    assert sources(Settings()) == {
        "fine-tuned": Source(str(tmp_path / "gpt2-medquad")),
        "base": Source(GPT2, GPT2_REVISION),
    }


def test_the_environment_names_models_and_revisions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MEDQA_FINE_TUNED_MODEL", "me/mine")
    monkeypatch.setenv("MEDQA_FINE_TUNED_REVISION", "v2")
    monkeypatch.setenv("MEDQA_BASE_MODEL", "/models/base")
    assert sources(Settings()) == {
        "fine-tuned": Source("me/mine", "v2"),
        "base": Source("/models/base"),
    }
