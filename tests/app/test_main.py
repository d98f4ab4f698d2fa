"""The process: starts, says why it cannot, drains, and stops with the right exit status."""

import signal
import socket
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import httpx
import pytest

from app.answering.answer import ModelName
from app.engine.checkpoint import Checkpoint
from app.engine.processes import Workers
from app.main import create_app
from app.server import Server, serve
from app.settings import Settings
from tests.app.conftest import FakeEngine, client_of
from tests.app.server_process import Server as Process


def test_a_service_told_to_stop_is_not_ready_at_once() -> None:
    server = Server(Settings())
    app: Any = server.config.app  # uvicorn would take a name as well
    service = app.state.service
    service.step = "ready"
    assert service.ready
    server.handle_exit(signal.SIGTERM, None)
    assert service.step == "draining"
    assert not service.ready
    assert server.should_exit


def test_a_port_in_use_is_told_before_models_are_loaded() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        server = Process(MEDQA_PORT=str(port))
        output = server.wait()
    assert server.process.returncode == 1
    assert "address already in use" in output.lower()
    assert f"cannot listen on port {port} of 127.0.0.1: set MEDQA_PORT to another" in output
    assert "Traceback" not in output


def test_bad_settings_are_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MEDQA_DTYPE", "int3")
    monkeypatch.setenv("MEDQA_MAX_RUNNING", "none")
    assert serve(Mock(spec=Workers)) == 2
    told = capsys.readouterr().err
    assert "MEDQA_DTYPE" in told
    assert "MEDQA_MAX_RUNNING" in told
    assert "Traceback" not in told


async def test_health_turns_red_when_an_inference_thread_dies(
    fine_tuned: Checkpoint, base: Checkpoint
) -> None:
    engines: dict[ModelName, FakeEngine] = {
        "fine-tuned": FakeEngine(fine_tuned, "A disease.", end=True),
        "base": FakeEngine(base, "The"),
    }
    app = create_app(Settings(), engines)
    async with client_of(app) as client:
        assert (await client.get("/readyz")).json() == {"status": "ready"}
        body = (await client.post("/answer", json={"question": "?"})).json()
        assert body["answer"] == "A disease."
        engines["base"].alive = False
        assert (await client.get("/healthz")).status_code == 503
        assert (await client.get("/readyz")).json() == {"status": "failed"}
        assert (await client.post("/answer", json={"question": "?"})).status_code == 200
        engines["fine-tuned"].alive = False
        refused = await client.post("/answer", json={"question": "?"})
        assert refused.status_code == 503
        assert refused.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("path", ["/answer", "/compare", "/info"])
async def test_questions_before_ready_are_refused(path: str) -> None:
    app = create_app(Settings())  # its lifespan never runs, so it stays at "loading"
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        response = (
            await client.get(path)
            if path == "/info"
            else await client.post(path, json={"question": "?"})
        )
        assert response.status_code == 503
        assert "loading" in response.json()["detail"]
        assert (await client.get("/healthz")).status_code == 200
        assert (await client.get("/readyz")).json() == {"status": "loading"}


async def test_the_guard_is_the_models_own_unless_a_setting_says_otherwise(
    fine_tuned: Checkpoint, base: Checkpoint
) -> None:
    guarded = replace(fine_tuned, no_repeat_ngram_size=6)
    engines: Any = {"fine-tuned": FakeEngine(guarded, "A"), "base": FakeEngine(base, "B")}
    for settings, expected in [
        (Settings(), [6, 0]),
        (Settings(no_repeat_ngram_size=0, base_no_repeat_ngram_size=4), [0, 4]),
    ]:
        async with client_of(create_app(settings, engines)) as client:
            models = (await client.get("/info")).json()["models"]
            assert [model["no_repeat_ngram_size"] for model in models] == expected
            body = (await client.post("/compare", json={"question": "?"})).json()
            used = [
                body[side]["decoding"]["no_repeat_ngram_size"] for side in ("fine_tuned", "base")
            ]
            assert used == expected
        for engine in engines.values():
            engine.alive = True  # the app stopped them at its end


@pytest.mark.parametrize("name", ["MEDQA_API_KEYS", "MEDQA_API_KEYS_FILE", "Medqa_api_keys"])
def test_an_empty_lock_does_not_open(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(name, "")
    assert serve(Mock(spec=Workers)) == 2
    assert f"{name}: is set but empty" in capsys.readouterr().err


@pytest.mark.parametrize("line", ["MEDQA_API_KEYS=", "medqa_api_keys=''", "MEDQA_API_KEYS_FILE"])
def test_an_empty_lock_in_a_file_does_not_open_either(
    line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".env").write_text(line)
    monkeypatch.chdir(tmp_path)
    assert serve(Mock(spec=Workers)) == 2
