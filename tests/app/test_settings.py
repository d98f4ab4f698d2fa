"""Settings come from MEDQA_* variables, and choose the pair that is served."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from app import main
from app.checkpoints import Source
from app.main import sources
from app.settings import DEMO, GPT2, GPT2_REVISION, Settings


@pytest.fixture(autouse=True)
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No .env file and no trained model of this machine's."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(main, "TRAINED", tmp_path / "gpt2-medquad")


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


def test_a_dotenv_file_counts(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("MEDQA_PORT=9999\n")
    assert Settings().port == 9999


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("MEDQA_PORT", "70000"),
        ("MEDQA_DTYPE", "int3"),
        ("MEDQA_MAX_RUNNING", "0"),
        ("MEDQA_MAX_NEW_TOKENS", "10"),
    ],
)
def test_impossible_values_are_refused(
    name: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(ValidationError, match=f"(?i){name.removeprefix('MEDQA_')}"):
        Settings()


def test_every_setting_says_what_it_does() -> None:
    assert all(field.description for field in Settings.model_fields.values())
