"""SIGTERM lets running answers finish, SIGKILL leaves nothing that a restart would trip over."""

import signal
import time
from contextlib import ExitStack
from pathlib import Path

import psutil

from tests.app.conftest import free_port
from tests.app.faults.conftest import answer, pair_settings, running, started, under_load
from tests.app.faults.wire import QUESTION, asking, connected, everything

_LONG = {"question": QUESTION, "max_new_tokens": 110}


def test_sigterm_under_load(pair: Path) -> None:
    with (
        started(**pair_settings(pair), MEDQA_DRAIN_SECONDS="20") as server,
        ExitStack() as open_now,
    ):
        for beginning in (b"", b"GET /info HTTP/1.1\r\n"):  # neither may hold it up
            open_now.enter_context(connected(server)).sendall(beginning)
        streams = [open_now.enter_context(connected(server, seconds=60)) for _ in range(8)]
        for stream in streams:
            stream.sendall(asking("/compare", max_new_tokens=110, stream=True))
        for stream in streams:
            assert b"event: token" in stream.recv(65_536)
        server.process.send_signal(signal.SIGTERM)
        for stream in streams:
            *_, last, _ = everything(stream).split(b"\n\n")
            assert last.startswith(b"event: done"), last
        output = server.wait()
    assert server.process.returncode == 0, output
    assert "Traceback" not in output


def test_sigkill_under_load(pair: Path, tmp_path: Path) -> None:
    port = free_port()
    settings = pair_settings(pair) | {"TMPDIR": str(tmp_path), "MEDQA_PORT": str(port)}
    with started(port=port, **settings) as server:
        right = answer(server)
        children = psutil.Process(server.process.pid).children(recursive=True)
        with under_load(server, clients=6) as load:
            while running(server) < 2:
                time.sleep(0.01)
            server.process.kill()
            server.process.wait()
            time.sleep(0.5)
        assert load.outcomes["ConnectError"]
    assert not [child for child in children if child.is_running()]
    assert not list(tmp_path.iterdir())
    with started(port=port, **settings) as again:
        assert answer(again) == right
        assert "address already in use" not in again.output()
