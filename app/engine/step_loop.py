"""The inference thread: it takes step after step, and shows that it does.

Knows nothing about what a step is. Others hand it requests and are told what came of them; nobody
waits for it.
"""

import logging
import queue
import threading
import time
from collections.abc import Callable

from app.engine.requests import Request
from app.engine.scheduler import Outcome, Scheduler

logger = logging.getLogger(__name__)

_IDLE_SECONDS = 0.1  # an idle loop still shows that it lives


class StepLoop:
    """A scheduler and the thread that alone uses it; `report` is called from there."""

    def __init__(
        self, scheduler: Scheduler, report: Callable[[list[Outcome]], None], stall_seconds: float
    ) -> None:
        self.scheduler = scheduler
        self._report = report
        self._stall_seconds = stall_seconds
        self._inbox: queue.SimpleQueue[tuple[int, Request | None]] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="inference", daemon=True)
        self._stopping = False
        self._warm = False
        self.last_step = time.monotonic()
        """When it last began a step or looked for work, on the monotonic clock."""

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End after the step that it is in; what it was making is forgotten."""
        self._stopping = True
        self._thread.join()

    @property
    def running(self) -> bool:
        """Whether the thread has not ended."""
        return self._thread.is_alive()

    @property
    def alive(self) -> bool:
        """Whether the thread runs, and has begun a step within `stall_seconds`.

        The first one may build kernels: that is no stall.
        """
        recent = time.monotonic() - self.last_step < self._stall_seconds
        return self.running and (recent or not self._warm)

    def add(self, number: int, request: Request) -> None:
        """Have a request made."""
        self._inbox.put((number, request))

    def cancel(self, number: int) -> None:
        """Have it forgotten."""
        self._inbox.put((number, None))

    def _run(self) -> None:
        try:
            while not self._stopping:
                self.last_step = time.monotonic()
                self._take_in()
                if outcomes := self.scheduler.step():
                    self._warm = True
                    self._report(outcomes)
        except Exception:
            logger.exception("the inference thread has failed")
            self._report(self.scheduler.fail_all())

    def _take_in(self) -> None:
        """Hand the scheduler what has come in; wait a little for it where there is nothing else."""
        try:
            arrived = self._inbox.get(self.scheduler.idle, _IDLE_SECONDS)
            while True:
                number, request = arrived
                if request is None:
                    self.scheduler.cancel(number)
                elif refused := self.scheduler.add(number, request):
                    self._report([refused])
                arrived = self._inbox.get_nowait()
        except queue.Empty:
            pass
