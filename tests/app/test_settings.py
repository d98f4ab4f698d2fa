"""Settings come from MEDQA_* variables and are checked as they are read."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from app import model_sources, setting_types
from app.model_sources import sources
from app.settings import Settings


@pytest.fixture(autouse=True)
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No .env file and no trained model of this machine's."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(model_sources, "TRAINED", tmp_path / "gpt2-medquad")


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
        ("MEDQA_ROOT_PATH", "medqa"),
        ("MEDQA_ROOT_PATH", "/medqa/"),
        ("MEDQA_TRUSTED_PROXIES", "10.0.0.1/8"),
        ("MEDQA_TRUSTED_PROXIES", "127.0.0.1,proxy"),
        ("MEDQA_RATE_LIMIT", "often"),
        ("MEDQA_RATE_LIMIT", "60/fortnight"),
        ("MEDQA_RATE_LIMIT", "0/minute"),
        ("MEDQA_RATE_LIMIT", "1/second;60/minute"),
        ("MEDQA_RATE_LIMIT_STORAGE", "memcached://localhost"),
        ("MEDQA_RATE_LIMIT_STORAGE", "redis"),
        ("MEDQA_RATE_LIMIT_STORAGE", "redis://:pass/word@localhost"),
        ("MEDQA_CORS_ORIGINS", "https://example.org/"),
        ("MEDQA_CORS_ORIGINS", "example.org"),
        ("MEDQA_CORS_ORIGINS", "https://*.example.org"),
    ],
)
def test_impossible_values_are_refused(
    name: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(ValidationError, match=f"(?i){name.removeprefix('MEDQA_')}"):
        Settings()


def test_lists_are_separated_by_commas(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MEDQA_CORS_ORIGINS", "https://A.example, http://localhost:3000,")
    monkeypatch.setenv("MEDQA_TRUSTED_PROXIES", "10.0.0.0/8, ::1")
    settings = Settings()
    assert settings.cors_origins == ["https://a.example", "http://localhost:3000"]
    assert settings.trusted_proxies == ["10.0.0.0/8", "::1"]


def test_redis_needs_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(setting_types, "find_spec", lambda _: None)
    monkeypatch.setenv("MEDQA_RATE_LIMIT_STORAGE", "redis://user:secret@localhost")
    with pytest.raises(ValidationError, match=r"pip install -e '\.\[redis\]'") as refused:
        Settings()
    assert "secret" not in str(refused.value)


def test_every_setting_says_what_it_does() -> None:
    assert all(field.description for field in Settings.model_fields.values())


@pytest.mark.parametrize("name", Settings.model_fields)
def test_an_empty_variable_is_as_good_as_none(
    name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Compose files write what is not set as an empty string."""
    monkeypatch.delenv("MEDQA_REFERENCES")
    default = Settings()
    monkeypatch.setenv(f"MEDQA_{name.upper()}", "")
    assert Settings() == default
    monkeypatch.delenv(f"MEDQA_{name.upper()}")
    (tmp_path / ".env").write_text(f"MEDQA_{name.upper()}=\n")
    assert Settings() == default


def test_all_may_be_empty_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MEDQA_REFERENCES")
    default = Settings()
    for name in Settings.model_fields:
        monkeypatch.setenv(f"MEDQA_{name.upper()}", "")
    assert Settings() == default
    assert sources(Settings()) == sources(default)


@pytest.mark.parametrize("value", [" , ,", " ", ","])
@pytest.mark.parametrize("name", ["API_KEYS", "CORS_ORIGINS", "TRUSTED_PROXIES"])
def test_a_list_that_names_nothing_is_refused(
    name: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever wrote it meant a key, and must not run a service that anybody may ask."""
    monkeypatch.setenv(f"MEDQA_{name}", value)
    with pytest.raises(ValidationError, match="names nothing"):
        Settings()


def test_no_proxy_is_believed_where_a_setting_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MEDQA_TRUSTED_PROXIES", "none")
    assert Settings().trusted_proxies == []
