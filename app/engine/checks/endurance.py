"""Whether a model lives on after cancelled answers and without memory, and how fast it is.

Knows nothing about devices: how memory is made to run out is handed in.
"""

import time
from collections.abc import Callable, Sequence
from typing import Any

from app.engine.backends.interface import Backend, Run
from app.engine.checks.subject import Finding, Subject
from app.engine.interface import Decoding


def cancellation(subject: Subject) -> Finding:
    """Leave an answer in its midst; the next in its blocks must be as if it had never been."""
    prompt, decoding = subject.text(24), Decoding(subject.new_tokens)
    expected = subject.generate([prompt], decoding)[0]
    scheduler = subject.scheduler(1)
    scheduler.add(0, subject.generation(subject.text(60)[7:], decoding))
    for _ in range(decoding.max_new_tokens // 2):
        scheduler.step()
    scheduler.cancel(0)
    scheduler.add(1, subject.generation(prompt, decoding))
    answer: list[int] = []
    while not scheduler.idle:
        for _, result, _ in scheduler.step():
            answer += [token.id for token in result] if isinstance(result, list) else []
    off = None if answer == expected else "an answer differs after another was cancelled"
    return Finding("cancellation", {"same": answer == expected}, off)


class Exhausting:
    """A backend whose first step after `armed` asks for more memory than there is."""

    def __init__(self, backend: Backend, exhaust: Callable[[], None]) -> None:
        self._backend = backend
        self._exhaust = exhaust
        self.armed = True
        self.block_tokens = backend.block_tokens
        self.blocks = backend.blocks

    def forward(self, runs: Sequence[Run]) -> Any:
        """Read the runs, unless memory runs out."""
        if self.armed:
            self.armed = False
            self._exhaust()
        return self._backend.forward(runs)

    def ran_out_of_memory(self, error: Exception) -> bool:
        """Ask the backend."""
        return self._backend.ran_out_of_memory(error)


def out_of_memory(subject: Subject, exhaust: Callable[[], None]) -> Finding:
    """Have a step run out of memory: its answers fail, and the next are as before."""
    prompt, decoding = subject.text(24), Decoding(8)
    expected = subject.generate([prompt], decoding)[0]
    scheduler = subject.scheduler(1, Exhausting(subject.backend, exhaust))
    scheduler.add(0, subject.generation(prompt, decoding))
    try:
        failed = [result for _, result, _ in scheduler.step()]
        after = subject.generate([prompt], decoding)[0]
    except Exception as error:  # whatever a library raises: that it was not understood is the news
        said = (str(error).splitlines() or [""])[0]
        return Finding(
            "out of memory",
            {},
            f"memory that runs out ends the model: {type(error).__name__}: {said}",
        )
    if not failed or not isinstance(failed[0], Exception):
        return Finding("out of memory", {}, "more memory was given than there is")
    off = None if after == expected else "answers differ after memory ran out"
    return Finding("out of memory", {"same_afterwards": after == expected}, off)


def speed(subject: Subject, running: int, new_tokens: int) -> Finding:
    """Measure tokens a second of so many answers side by side, prompts included."""
    prompts = [subject.text(24 + place % 7) for place in range(running)]
    subject.generate(prompts, Decoding(2))
    began = time.perf_counter()
    answers = subject.generate(prompts, Decoding(new_tokens))
    seconds = time.perf_counter() - began
    rate = sum(map(len, answers)) / seconds
    return Finding(f"speed of {running}", {"tokens_per_second": round(rate, 1)})
