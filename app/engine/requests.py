"""What the scheduler runs: an answer that is made, or a known continuation that is scored.

Each says which tokens it wants read next and what it makes of the choices that come back. Knows
nothing about other requests, nor about tensors.
"""

import math
import secrets
import time
from collections.abc import Sequence
from typing import Protocol

from app.engine.backends.interface import Run
from app.engine.drafting import Drafter
from app.engine.guard import RepetitionGuard
from app.engine.interface import Decoding, Token
from app.engine.sampling import Choice, Row, draws
from app.errors import ServiceError

Result = list[Token] | float | ServiceError
"""What a request gets of a step: an answer's new tokens, bits, or why there will be none."""

_SCORED_ROWS = 32
"""Most rows of logits that a request wants scored in a step: each is as long as the vocabulary."""

_SCORING = Decoding(max_new_tokens=0)


class Request(Protocol):
    """A request and where it stands; it is over once it has no more to read."""

    blocks: list[int]
    """Where its keys and values are; the scheduler lends them."""

    owner: int
    """Who asked for it, as a number; see `fairness`."""

    @property
    def most_tokens(self) -> int:
        """Of how many tokens it may need the keys and values."""

    @property
    def over(self) -> bool:
        """Whether there is nothing left to do."""

    def start(self) -> None:
        """Take note that it has been given its place."""

    def next_run(self, most_tokens: int) -> Run:
        """Return what to read next, at least one token."""

    def rows(self) -> list[Row]:
        """Return what becomes of each row of logits that the run wanted."""

    def take(self, choices: Sequence[Choice]) -> Result | None:
        """Go on from what the rows became; return what is new."""


class Generation:
    """An answer that is being made.

    Its text is the prompt and what was made. While it runs, all but the text's last token have been
    read.
    """

    def __init__(
        self,
        prompt: Sequence[int],
        decoding: Decoding,
        end: int | None,
        guard: RepetitionGuard | None,
        drafter: Drafter,
    ) -> None:
        self.blocks: list[int] = []
        self.owner = 0
        self.decoding = decoding
        self.drafter = drafter
        self.drafted = 0
        """Tokens that were guessed in its last run."""
        self.accepted = 0
        self._text = list(prompt)
        self._prompt_length = len(prompt)
        self._end = end
        self._guard = guard
        self._kv_length = 0
        self._run: Run | None = None
        self._drafts: list[int] = []
        self._over = False
        self._draws: list[float] = []
        if not decoding.greedy:
            seed = secrets.randbits(64) if decoding.seed is None else decoding.seed
            self._draws = draws(seed, decoding.max_new_tokens)
        self._arrived_at = time.perf_counter()
        self._queue_seconds = 0.0

    @property
    def most_tokens(self) -> int:
        """The prompt and the longest answer."""
        return self._prompt_length + self.decoding.max_new_tokens

    @property
    def over(self) -> bool:
        """Whether its last token is made."""
        return self._over

    @property
    def running(self) -> bool:
        """Whether its prompt is read, so that each step makes tokens."""
        return len(self._text) > self._prompt_length

    @property
    def _made(self) -> int:
        return len(self._text) - self._prompt_length

    def start(self) -> None:
        """Take note how long it waited."""
        self._queue_seconds = time.perf_counter() - self._arrived_at

    def next_run(self, most_tokens: int) -> Run:
        """Return the next piece of the prompt, or the last token and guesses of what follows."""
        begin = self._kv_length
        tokens = self._text[begin : begin + most_tokens]
        self.drafted = self.accepted = 0
        self._drafts = self._guess(most_tokens - 1) if self.running else []
        whole = begin + len(tokens) == len(self._text)
        wanted = 1 + len(self._drafts) if whole else 0
        self._run = Run([*tokens, *self._drafts], begin, self.blocks, wanted)
        return self._run

    def rows(self) -> list[Row]:
        """Return the next token's row, and one after each guess as if all before it were right."""
        if not self._run or not self._run.wanted:
            return []
        guard = self._guard
        rows = [self._row(0)]
        for place, token in enumerate(self._drafts):
            if guard:
                guard.push(token)
            rows.append(self._row(place + 1))
        if guard:
            for _ in self._drafts:
                guard.pop()
        return rows

    def take(self, choices: Sequence[Choice]) -> Result | None:
        """Return the tokens that were made: up to the first that was not guessed."""
        assert self._run is not None
        if not choices:
            self._kv_length += len(self._run.tokens)
            return None
        tokens = []
        for place, choice in enumerate(choices):
            tokens.append(self._append(choice))
            if self._over or place == len(self._drafts) or choice.token != self._drafts[place]:
                break
        self._kv_length = len(self._text) - 1
        self.drafted = len(self._drafts)
        self.accepted = len(tokens) - 1
        self.drafter.learn(self.drafted, self.accepted)
        return tokens

    def _guess(self, most: int) -> list[int]:
        """Return guesses, none past the answer's end: nothing follows that."""
        most = min(most, self.decoding.max_new_tokens - self._made - 1)
        drafts = self.drafter.draft(most) if most > 0 else []
        return drafts[: drafts.index(self._end)] if self._end in drafts else drafts

    def _row(self, ahead: int) -> Row:
        draw = self._draws[self._made + ahead] if self._draws else 1.0
        return Row(self.decoding, draw, self._guard.banned() if self._guard else ())

    def _append(self, choice: Choice) -> Token:
        self._text.append(choice.token)
        self.drafter.extend(choice.token)
        if self._guard:
            self._guard.push(choice.token)
        ended = choice.token == self._end
        self._over = ended or self._made == self.decoding.max_new_tokens
        return Token(
            choice.token, self._over, ended, self._queue_seconds, choice.logprob, choice.top
        )


class Scoring:
    """The information in a known continuation of a prompt, read like any other prompt."""

    def __init__(self, prompt: Sequence[int], continuation: Sequence[int]) -> None:
        self.blocks: list[int] = []
        self.owner = 0
        # The last token tells nothing more.
        self._text = [*prompt, *continuation][:-1]
        self._targets = [*prompt, *continuation][1:]
        self._first_scored = len(prompt) - 1
        self._kv_length = 0
        self._run: Run | None = None
        self._nats = 0.0

    @property
    def most_tokens(self) -> int:
        """All that is read."""
        return len(self._text)

    @property
    def over(self) -> bool:
        """Whether all is read."""
        return self._kv_length == len(self._text)

    def start(self) -> None:
        """Do nothing: nobody asks how long it waited."""

    def next_run(self, most_tokens: int) -> Run:
        """Return the next piece, with no more rows to score than may be held at once."""
        begin = self._kv_length
        most = max(self._first_scored - begin, 0) + _SCORED_ROWS
        tokens = self._text[begin : begin + min(most_tokens, most)]
        wanted = max(0, begin + len(tokens) - max(begin, self._first_scored))
        self._run = Run(tokens, begin, self.blocks, wanted)
        return self._run

    def rows(self) -> list[Row]:
        """Return a row for each token of the continuation that the run leads up to."""
        assert self._run is not None
        end = self._run.kv_length + len(self._run.tokens)
        return [
            Row(_SCORING, target=target) for target in self._targets[end - self._run.wanted : end]
        ]

    def take(self, choices: Sequence[Choice]) -> Result | None:
        """Return the bits once all is read."""
        assert self._run is not None
        self._kv_length += len(self._run.tokens)
        self._nats -= sum(choice.logprob or 0.0 for choice in choices)
        return self._nats / math.log(2) if self.over else None
