"""An inference thread that dies or sticks: its answers fail at once, and then the process."""

import signal
import time
from pathlib import Path

import httpx
import pytest

from tests.app.faults.conftest import (
    BEFORE_EACH_STEP,
    answer,
    pair_settings,
    running,
    started,
    under_load,
)
from tests.app.faults.wire import QUESTION

pytestmark = pytest.mark.long


def _red_within_5_seconds(url: str) -> None:
    deadline = time.monotonic() + 5
    while httpx.get(url, timeout=30).status_code != 503:
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.mark.parametrize(
    ("failure", "restarts"),
    [
        ("if told: raise RuntimeError('broken at 0xdead')", "0"),
        ("if told: threading.Event().wait()", "3"),
    ],
)
def test_a_dead_or_stuck_model_ends_the_process(pair: Path, failure: str, restarts: str) -> None:
    prelude = BEFORE_EACH_STEP.format(fault=f"time.sleep(0.01)\n    {failure}")
    patience = {"MEDQA_STALL_SECONDS": "1", "MEDQA_FAILURE_GRACE_SECONDS": "3"}
    patience["MEDQA_MODEL_RESTARTS"] = restarts
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


@pytest.mark.parametrize("end", ["raise", "kill"])
def test_a_model_that_ended_is_started_again(pair: Path, end: str) -> None:
    fault = "time.sleep(0.01)\n    if told: raise RuntimeError('broken at 0xdead')"
    prelude = BEFORE_EACH_STEP.format(fault=fault)
    body = {"question": QUESTION, "max_new_tokens": 110, "stream": True}
    settings = pair_settings(pair) | {"MEDQA_FAILURE_GRACE_SECONDS": "0.1"}
    with started(in_workers=prelude, **settings) as server:
        right = answer(server)
        broken = min(server.workers(), key=lambda worker: worker.pid)  # the fine-tuned's is first
        with httpx.stream("POST", f"{server.url}/answer", json=body, timeout=60) as streamed:
            parts = streamed.iter_text()
            begun = next(parts)
            broken.send_signal(signal.SIGUSR1 if end == "raise" else signal.SIGKILL)
            events = begun + "".join(parts)
        assert "event: error" in events
        _red_within_5_seconds(f"{server.url}/readyz")
        other = body | {"model": "base", "stream": False}
        assert httpx.post(f"{server.url}/answer", json=other, timeout=60).status_code == 200
        server.wait_until_ready()
        assert answer(server) == right
        processes = {worker.pid for worker in server.workers()}
        assert len(processes) == 2
        assert broken.pid not in processes
        assert "has been started again" in server.output()
        assert running(server) == 0
