"""The baseline server answers with the model that is asked for."""

from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from benchmarks.peers import naive


@pytest.fixture(autouse=True)
def _nothing_loaded() -> None:
    naive._loaded.cache_clear()


def test_each_of_two_models_gives_its_own_answer(
    pair: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NAIVE_MODEL", str(pair / "fine-tuned"))
    monkeypatch.setenv("NAIVE_BASE", str(pair / "base"))
    client = TestClient(naive.app)
    assert client.get("/readyz").status_code == 200
    body = {"question": "What is asthma?", "max_new_tokens": 5}
    answers = [
        client.post("/answer", json=body | {"model": model}).json()
        for model in ("fine-tuned", "base")
    ]
    assert all(0 < answer["usage"]["completion_tokens"] <= 5 for answer in answers)
    assert naive._loaded.cache_info().currsize == 2


def test_one_model_is_enough(pair: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NAIVE_MODEL", str(pair / "base"))
    monkeypatch.delenv("NAIVE_BASE", raising=False)
    assert TestClient(naive.app).get("/readyz").status_code == 200
    assert naive._loaded.cache_info().currsize == 1
