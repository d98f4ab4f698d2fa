"""The inference thread: it shows that it lives, and how it ends."""

import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from app.engine.admission import Limits
from app.engine.drafting import Drafter
from app.engine.interface import Decoding
from app.engine.requests import Generation
from app.engine.sampling import choose
from app.engine.scheduler import Outcome, Scheduler
from app.engine.step_loop import StepLoop
from app.errors import GenerationFailed
from tests.app.engine.fake_backend import FakeBackend

STALL_SECONDS = 1.0


class Running:
    """A loop over a fake model, and what it has reported."""

    def __init__(self, backend: FakeBackend) -> None:
        self.backend = backend
        self.outcomes: list[Outcome] = []
        scheduler = Scheduler(backend, choose, Limits(4, 0, 64))
        self.loop = StepLoop(scheduler, self.outcomes.extend, STALL_SECONDS)
        self.loop.start()

    def ask(self, number: int, tokens: int = 5) -> None:
        prompt = [number, 3]
        self.loop.add(
            number, Generation(prompt, Decoding(tokens), None, None, Drafter(prompt, None))
        )

    def wait(self, what: Any) -> None:
        deadline = time.monotonic() + 20
        while not what():
            assert time.monotonic() < deadline
            time.sleep(0.005)

    def over(self, number: int) -> bool:
        return any(each.number == number and each.over for each in self.outcomes)


@pytest.fixture
def running() -> Iterator[Running]:
    made = Running(FakeBackend())
    yield made
    made.loop.stop()


def test_answers_are_made_as_they_come(running: Running) -> None:
    running.ask(1)
    running.wait(lambda: running.over(1))
    running.ask(2, tokens=200)
    running.loop.cancel(2)
    running.ask(3)
    running.wait(lambda: running.over(3))
    assert running.loop.alive
    assert not running.over(2)


def test_what_can_never_fit_is_reported(running: Running) -> None:
    running.ask(1, tokens=10_000)
    running.wait(lambda: running.over(1))
    assert isinstance(running.outcomes[0].result, GenerationFailed)


def test_idle_it_lives(running: Running) -> None:
    running.ask(1)
    running.wait(lambda: running.over(1))
    time.sleep(2 * STALL_SECONDS)
    assert running.loop.alive


def test_an_error_ends_it_and_fails_what_it_was_making(
    running: Running, caplog: pytest.LogCaptureFixture
) -> None:
    running.backend.errors = [RuntimeError("broken at 0xdead")]
    running.ask(1)
    running.ask(2)
    running.wait(lambda: not running.loop.running)
    assert not running.loop.alive
    assert running.over(1)
    assert "0xdead" in caplog.text
    assert "0xdead" not in str(running.outcomes[0].result)


def test_a_stuck_step_is_seen_but_not_the_first_one(running: Running) -> None:
    forward, stuck = running.backend.forward, threading.Event()

    def wait(runs: Any) -> Any:
        stuck.wait()
        return forward(runs)

    running.backend.forward = wait  # type: ignore[method-assign]  # as a kernel that hangs
    running.ask(1)
    time.sleep(2 * STALL_SECONDS)
    assert running.loop.alive, "a first step may build kernels"
    stuck.set()
    running.wait(lambda: running.over(1))
    stuck.clear()
    running.ask(2)
    running.wait(lambda: not running.loop.alive)
    stuck.set()
    running.wait(lambda: running.over(2))
    assert running.loop.alive
