"""The step loop's mind: which requests run, what each step reads, who gets what came of it.

Requests join and leave at every step. A step reads the last token of every answer that runs, with
guesses of the next, and beside them as much of the prompts as `max_batch_tokens` leaves: so a
prompt slows the answers by no more than that. What one owner asks beyond the others lengthens it
but little. A request begins once there are blocks for all that it may come to need, in turn. Knows
requests and budgets and nothing of tensors; one thread alone may use it.
"""

import logging
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from app.engine.admission import Limits
from app.engine.backends.blocks import BlockPool
from app.engine.backends.interface import Backend, Run
from app.engine.drafting import StepCost
from app.engine.fairness import in_turn, shared
from app.engine.requests import Generation, Request, Result
from app.engine.sampling import Choice, Row
from app.errors import GenerationFailed

logger = logging.getLogger(__name__)

_LEAST_CHUNK_TOKENS = 16
"""What a step reads of a prompt however many answers run, or it would never come to its turn."""

_BEYOND_SHARE = 0.25
"""How much longer a step may become by what an owner has beyond the others, and by what is scored.
"""

_OWN_SHARE = 1.0
"""The same of what is scored beside its own owner's answers and nobody else's."""

Choose = Callable[[Any, Sequence[Row]], list[Choice]]


class Outcome(NamedTuple):
    """What a step made of the request with this number, and whether it is over."""

    number: int
    result: Result
    over: bool


class Scheduler:
    """The requests of one model, from their arrival to their end."""

    def __init__(
        self, backend: Backend, choose: Choose, limits: Limits, drafts: bool = True
    ) -> None:
        self._backend = backend
        self._choose = choose
        self._limits = limits
        self._drafts = drafts
        self._pool = BlockPool(backend.blocks, backend.block_tokens)
        self._waiting: deque[tuple[int, Request]] = deque()
        self._running: dict[int, Request] = {}
        self._cost = StepCost()
        self.drafted = 0
        """Tokens that were guessed since the start."""
        self.accepted = 0
        """How many of them were right."""

    @property
    def idle(self) -> bool:
        """Whether there is nothing to do."""
        return not self._running and not self._waiting

    def add(self, number: int, request: Request) -> Outcome | None:
        """Take a request on; its number is for its outcomes and for `cancel`.

        Returns:
            Its only outcome, if not even all blocks would do for it.

        """
        if request.most_tokens > self._pool.blocks * self._pool.block_tokens:
            error = GenerationFailed("The model has no memory for an answer of this length.")
            return Outcome(number, error, True)
        self._waiting.append((number, request))
        return None

    def cancel(self, number: int) -> None:
        """Forget a request, wherever it stands; one that is over is none."""
        if number in self._running:
            self._end(number)
        else:
            self._waiting = deque(each for each in self._waiting if each[0] != number)

    def step(self) -> list[Outcome]:
        """Take one step of the model with all who run; return what it made.

        A step that runs out of memory fails those who were in it; whatever else it raises is
        raised.
        """
        self._admit()
        if not self._running:
            return []
        began_at = time.perf_counter()
        plan = self._plan()
        steady = all(isinstance(each, Generation) and each.running for each in self._in(plan))
        try:
            outcomes = self._take(plan)
        except Exception as error:
            if not self._backend.ran_out_of_memory(error):
                raise
            logger.error("a step ran out of memory; its answers fail: %s", error)
            return self._fail([number for number, _ in plan])
        if steady:
            tokens = sum(len(run.tokens) for _, run in plan)
            self._cost.learn(tokens, time.perf_counter() - began_at)
        for number, _, over in outcomes:
            if over:
                self._end(number)
        return outcomes

    def fail_all(self) -> list[Outcome]:
        """Give up everything."""
        return self._fail([*self._running, *(number for number, _ in self._waiting)])

    def _admit(self) -> None:
        """Let the next begin, as long as there is a place and memory for it.

        That is one of the owner who has fewest running; of several, whoever came first.
        """
        while self._waiting and len(self._running) < self._limits.max_running:
            number, request = in_turn(self._waiting, self._running.values())[0]
            blocks = self._pool.take(request.most_tokens)
            if blocks is None:
                return
            self._waiting.remove((number, request))
            request.blocks = blocks
            request.start()
            self._running[number] = request

    def _plan(self) -> list[tuple[int, Run]]:
        """Return what the step reads of whom.

        What one owner has more of than another, and what is scored, may make it a little longer.
        """
        made, scored = [], []
        for number, request in self._running.items():
            if isinstance(request, Generation):
                made.append((number, request))
            else:
                scored.append((number, request))
        alike, beyond = shared(made)
        plan = self._made(alike)
        left = self._limits.max_batch_tokens
        if plan:
            tokens = sum(len(run.tokens) for _, run in plan)
            alone = len({request.owner for request in self._running.values()}) == 1
            room = self._cost.room(tokens, _OWN_SHARE if alone else _BEYOND_SHARE)
            left = max(1, min(left - tokens, room))
            left = max(1, self._read(beyond, left, plan))
        self._read(in_turn(scored), left, plan)
        return plan

    def _made(self, requests: Sequence[tuple[int, Generation]]) -> list[tuple[int, Run]]:
        """Plan a token of each answer that runs, and guesses; then as much of prompts as fits."""
        answers = [(number, request) for number, request in requests if request.running]
        prompts = [(number, request) for number, request in requests if not request.running]
        lengths = [0] * len(answers)
        if self._drafts:
            lengths = self._cost.lengths([answer.drafter.chance for _, answer in answers])
        plan = [
            (number, answer.next_run(1 + length))
            for (number, answer), length in zip(answers, lengths, strict=True)
        ]
        left = self._limits.max_batch_tokens - sum(len(run.tokens) for _, run in plan)
        self._read(prompts, max(left, _LEAST_CHUNK_TOKENS), plan)
        return plan

    @staticmethod
    def _read(
        prompts: Sequence[tuple[int, Request]], left: int, plan: list[tuple[int, Run]]
    ) -> int:
        """Plan to read prompts, so many tokens in all; return how many of those are left."""
        for number, request in prompts:
            if left <= 0:
                break
            most = 1 if isinstance(request, Generation) and request.running else left
            plan.append((number, request.next_run(most)))
            left -= len(plan[-1][1].tokens)
        return left

    def _take(self, plan: Sequence[tuple[int, Run]]) -> list[Outcome]:
        """Have the model read, choose the tokens, and give each request its own."""
        logits = self._backend.forward([run for _, run in plan])
        rows = [request.rows() for request in self._in(plan)]
        wanted = [row for each in rows for row in each]
        choices = iter(self._choose(logits, wanted) if wanted else ())
        outcomes = []
        for (number, _), request, own in zip(plan, self._in(plan), rows, strict=True):
            result = request.take([next(choices) for _ in own])
            if isinstance(request, Generation):
                self.drafted += request.drafted
                self.accepted += request.accepted
            if result is not None:
                outcomes.append(Outcome(number, result, request.over))
        return outcomes

    def _in(self, plan: Sequence[tuple[int, Run]]) -> list[Request]:
        return [self._running[number] for number, _ in plan]

    def _fail(self, numbers: Sequence[int]) -> list[Outcome]:
        for number in numbers:
            self.cancel(number)
        error = GenerationFailed("The model failed while it made this answer.")
        return [Outcome(number, error, True) for number in numbers]

    def _end(self, number: int) -> None:
        self._pool.give_back(self._running.pop(number).blocks)
