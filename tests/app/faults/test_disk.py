"""A full disk: a log that takes no line costs no answer, and a download that fails is said."""

import signal
from pathlib import Path

import httpx
import pytest

from tests.app.engine.test_model_files import Hub, hub
from tests.app.faults.conftest import answer, pair_settings, settled, started, under_load
from tests.app.server_process import Server

__all__ = ["hub"]

pytestmark = pytest.mark.long

_TOO_SMALL_BYTES = 16_384
_SMALL = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, ({},) * 2)"


def test_nothing_can_be_written_anywhere(pair: Path, tmp_path: Path) -> None:
    """No log line, no cache, no temporary file: with models on disk none is needed."""
    nowhere = {name: str(tmp_path) for name in ("HOME", "HF_HOME", "XDG_CACHE_HOME", "TMPDIR")}
    full = _SMALL.format(0)
    with started(full, log="/dev/full", **pair_settings(pair), **nowhere) as server:
        right = answer(server)
        with under_load(server) as load:
            assert httpx.get(f"{server.url}/nowhere").status_code == 404
            for _ in range(20):
                assert answer(server) == right
        assert set(load.outcomes) == {"200"}
        settled(server)
        server.process.send_signal(signal.SIGTERM)
        server.process.wait(timeout=60)
        assert server.process.returncode == 0
    assert not [path for path in tmp_path.rglob("*") if path.is_file() and path.stat().st_size]


def test_a_download_into_a_full_disk(pair: Path, hub: Hub, tmp_path: Path) -> None:
    settings = pair_settings(pair) | {
        "MEDQA_FINE_TUNED_MODEL": "me/tiny",
        "MEDQA_FINE_TUNED_REVISION": "v1",
        "HF_ENDPOINT": hub.url,
        "HF_HOME": str(tmp_path),
        "HF_HUB_DISABLE_XET": "1",
        "HF_HUB_OFFLINE": "0",
    }
    full = Server(_SMALL.format(_TOO_SMALL_BYTES), **settings)
    try:
        output = full.wait()
    finally:
        full.process.kill()
    assert full.process.returncode == 1
    assert "cannot start: me/tiny@v1" in output
    assert "File too large" in output
    assert "Traceback" not in output
    with started(**settings) as room:  # what the full disk left behind is not taken for the model
        assert answer(room)
