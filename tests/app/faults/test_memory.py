"""A step that finds no memory: its answers fail, the model and everything else goes on."""

import signal
import time
from concurrent.futures import ThreadPoolExecutor

import httpx

from tests.app.faults.wire import QUESTION
from tests.app.server_process import Server


def test_a_step_without_memory(outlived: Server) -> None:
    def ask(_: int) -> httpx.Response:
        body = {"question": QUESTION, "max_new_tokens": 100}
        return httpx.post(f"{outlived.url}/answer", json=body, timeout=60)

    failed: list[httpx.Response] = []
    deadline = time.monotonic() + 30
    with ThreadPoolExecutor(3) as clients:
        while not failed and time.monotonic() < deadline:
            replies = clients.map(ask, range(3))
            time.sleep(0.05)
            for worker in outlived.workers():
                worker.send_signal(signal.SIGUSR1)
            failed += [reply for reply in replies if reply.status_code != 200]
    assert {reply.status_code for reply in failed} == {503}
    assert failed[0].headers["content-type"] == "application/problem+json"
    assert "0xdead" not in failed[0].text
    assert "0xdead" in outlived.output()  # for whoever runs it
