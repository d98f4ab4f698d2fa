"""SIGTERM lets running answers finish, SIGKILL leaves nothing that a restart would trip over."""

import signal
import time
from contextlib import ExitStack
from pathlib import Path

import httpx
import psutil
import pytest

from tests.app.faults.conftest import (
    BEFORE_EACH_STEP,
    answer,
    pair_settings,
    running,
    started,
    under_load,
)
from tests.app.faults.wire import asking, connected, everything
from tests.app.server_process import Server, free_port

pytestmark = pytest.mark.long

# So slow that no answer is over before the signal comes.
_SLOW = BEFORE_EACH_STEP.format(fault="time.sleep(0.02)")


def test_sigterm_under_load(pair: Path) -> None:
    with started(in_workers=_SLOW, **pair_settings(pair)) as server, ExitStack() as opened:
        for beginning in (b"", b"GET /info HTTP/1.1\r\n"):  # neither may hold it up
            opened.enter_context(connected(server)).sendall(beginning)
        streams = [opened.enter_context(connected(server, seconds=60)) for _ in range(8)]
        for stream in streams:
            stream.sendall(asking("/compare", max_new_tokens=60, stream=True))
        while running(server) < 2 * len(streams):
            time.sleep(0.01)
        server.process.send_signal(signal.SIGTERM)
        assert _status_while_draining(server) == {"status": "draining"}
        refused = httpx.post(f"{server.url}/answer", json={"question": "?"}, timeout=10)
        assert refused.status_code == 503
        for stream in streams:
            assert b"event: done" in everything(stream)[-10_000:]
        output = server.wait()
    assert server.process.returncode == 0, output
    assert "Traceback" not in output


def _status_while_draining(server: Server) -> dict[str, str]:
    """Return what `/readyz` says once it is no longer green."""
    while (ready := httpx.get(f"{server.url}/readyz", timeout=10)).status_code == 200:
        time.sleep(0.01)
    status: dict[str, str] = ready.json()
    return status


def test_told_twice_it_stops_at_once(pair: Path) -> None:
    with ExitStack() as opened:
        server = opened.enter_context(started(in_workers=_SLOW, **pair_settings(pair)))
        with connected(server, seconds=60) as stream:
            stream.sendall(asking("/compare", max_new_tokens=200, stream=True))
            while running(server) < 2:
                time.sleep(0.01)
            server.process.send_signal(signal.SIGTERM)
            assert _status_while_draining(server) == {"status": "draining"}
            server.process.send_signal(signal.SIGTERM)
            assert b"event: done" not in everything(stream)
            output = server.wait()
    assert server.process.returncode == 0, output


def test_a_terminal_that_closes_stops_it_as_sigterm_does(pair: Path) -> None:
    with started(**pair_settings(pair)) as server:
        server.process.send_signal(signal.SIGHUP)
        output = server.wait()
    assert server.process.returncode == 0, output


def test_sigkill_under_load(pair: Path, tmp_path: Path) -> None:
    own = {"TMPDIR": str(tmp_path), "MEDQA_PORT": str(free_port())}
    settings = pair_settings(pair) | own
    with started(**settings) as server:
        right = answer(server)
        workers = server.workers()
        with under_load(server, clients=6) as load:
            while running(server) < 2:
                time.sleep(0.01)
            workers[0].suspend()  # it cannot notice anything
            server.process.kill()
            server.process.wait()
            time.sleep(0.5)
        assert load.outcomes["ConnectError"]
    assert not [
        worker
        for worker in workers
        if worker.is_running() and worker.status() != psutil.STATUS_ZOMBIE
    ]
    assert not list(tmp_path.iterdir())
    with started(**settings) as again:
        assert answer(again) == right
        assert "address already in use" not in again.output()
