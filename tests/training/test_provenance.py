"""A record names the base without telling where this machine keeps it."""

from pathlib import Path

import pytest

from training.provenance import base_name


def test_a_hub_id_stays(tmp_path: Path) -> None:
    assert base_name("openai-community/gpt2", tmp_path / "out") == "openai-community/gpt2"


@pytest.mark.parametrize("relative", [True, False])
def test_a_directory_is_named_from_the_model_or_by_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, relative: bool
) -> None:
    (tmp_path / "models" / "base").mkdir(parents=True)
    (tmp_path / "elsewhere" / "gpt2").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    root = Path() if relative else tmp_path
    out = tmp_path / "models" / "new"
    assert base_name(str(root / "models" / "base"), out) == "../base"
    assert base_name(str(root / "elsewhere" / "gpt2"), out) == "gpt2"
