"""An inference thread that dies or sticks: its answers fail at once, and then the process."""

import signal
import time
from pathlib import Path

import httpx
import pytest

from tests.app.faults.conftest import pair_settings, started, under_load
from tests.app.faults.wire import QUESTION

pytestmark = pytest.mark.long

_BREAKS_ON_SIGNAL = """
import signal, threading, app.engine.generation
start, broken = app.engine.generation.BatchingEngine.start, threading.Event()
signal.signal(signal.SIGUSR1, lambda *_: broken.set())
def breaking(engine):
    forward = engine.checkpoint.model.forward
    def failing(*arguments, **named):
        if broken.is_set():
            {failure}
        return forward(*arguments, **named)
    engine.checkpoint.model.forward = failing
    start(engine)
app.engine.generation.BatchingEngine.start = breaking
"""


def _red_within_5_seconds(url: str) -> None:
    deadline = time.monotonic() + 5
    while httpx.get(url, timeout=30).status_code != 503:
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.mark.parametrize(
    "failure", ["raise RuntimeError('broken at 0xdead')", "threading.Event().wait()"]
)
def test_a_dead_or_stuck_model_ends_the_process(pair: Path, failure: str) -> None:
    prelude = _BREAKS_ON_SIGNAL.format(failure=failure)
    patience = {"MEDQA_STALL_SECONDS": "1", "MEDQA_FAILURE_GRACE_SECONDS": "3"}
    patience["MEDQA_REQUEST_TIMEOUT_SECONDS"] = "20"  # with 504, where nobody notices
    body = {"question": QUESTION, "max_new_tokens": 110, "stream": True}
    with started(in_workers=prelude, **pair_settings(pair), **patience) as server:
        with under_load(server) as load:
            with httpx.stream("POST", f"{server.url}/answer", json=body, timeout=60) as streamed:
                parts = streamed.iter_text()
                begun = next(parts)
                for worker in server.workers():
                    worker.send_signal(signal.SIGUSR1)
                events = begun + "".join(parts)
            for path in ("/healthz", "/readyz"):
                _red_within_5_seconds(f"{server.url}{path}")
            output = server.wait()
        name, data = events.strip().split("\n\n")[-1].split("\n")
        assert name == "event: error"
        assert '"status":503' in data.replace(" ", "")
        assert "0xdead" not in data
        assert server.process.returncode == 1, output
        assert "dead or stuck" in output
        # Nobody waits for ever; what was asked once the process had gone found nobody there.
        assert load.outcomes["503"]
        assert set(load.outcomes) <= {
            "200",
            "503",
            "ConnectError",
            "ReadError",
            "RemoteProtocolError",
        }
