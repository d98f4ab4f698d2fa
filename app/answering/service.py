"""The pair of models being served, and where it stands between start and stop.

Knows nothing about HTTP. Loading runs beside the event loop, so that health checks answer from
the first moment.
"""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, field
from typing import Literal

from app.answering.answer import ModelName
from app.answering.answerer import Answerer
from app.answering.one_thread import beside
from app.answering.reading import Reader, Reading
from app.engine.interface import Decoding, Source
from app.errors import InvalidField, NotReady, ServiceError
from app.red_flags.notices import Notice, notices, spoken
from app.references.index import References

logger = logging.getLogger(__name__)

Step = Literal["loading", "warming up", "ready", "draining", "failed"]

_WARM_UP_QUESTION = "What is asthma?"
_WARM_UP_TOKENS = 8
_WATCH_SECONDS = 0.5
_LONG_CHARACTERS = 400  # up to which reading a message takes less than a thread


@dataclass(frozen=True, slots=True)
class RequestLimits:
    """What a request may ask for."""

    max_question_characters: int
    default_new_tokens: int
    max_new_tokens: int

    def check_length(self, text: str, field: str) -> None:
        """Refuse a question or prompt that is too long; `field` is where the client wrote it.

        Raises:
            InvalidField: it has more than `max_question_characters`.

        """
        if len(text) > self.max_question_characters:
            raise InvalidField(
                field,
                f"has {len(text)} characters; this service takes at most "
                f"{self.max_question_characters}",
            )

    def new_tokens(self, asked: int | None, field: str) -> int:
        """Return the most tokens that an answer may have; `field` is where the client said so.

        Raises:
            InvalidField: it asked for more than `max_new_tokens`.

        """
        if asked is not None and asked > self.max_new_tokens:
            raise InvalidField(field, f"must be at most {self.max_new_tokens}")
        return asked or self.default_new_tokens


@dataclass(frozen=True, slots=True)
class RedFlags:
    """What is said to a person in need: contacts of which region, and whether an answer too."""

    region: str = "US"
    answered: bool = True

    def notices(self, question: str) -> list[Notice]:
        """Return what must be said before an answer to this question."""
        return notices(question, self.region)


@dataclass(slots=True)
class Service:
    """Both answerers, what may be asked of them, and the step they are in."""

    limits: RequestLimits
    sources: Mapping[ModelName, Source]
    red_flags: RedFlags = field(default_factory=RedFlags)
    excerpt_characters: int = 400
    references: References | None = None
    reader: Reader | None = None
    """None: there is no index, or the fine-tuned model never learned to read."""
    started_at: float = field(default_factory=time.time)
    """Seconds since the Unix epoch."""
    step: Step = "loading"
    answerers: Mapping[ModelName, Answerer] = field(default_factory=dict)

    @property
    def alive(self) -> bool:
        """Whether every inference thread that was started still runs."""
        return all(answerer.engine.alive for answerer in self.answerers.values())

    @property
    def restarting(self) -> bool:
        """Whether a model's process has ended and is being started again."""
        return any(answerer.engine.restarting for answerer in self.answerers.values())

    @property
    def ready(self) -> bool:
        """Whether both models accept questions."""
        return self.step == "ready" and self.alive

    def admit(self) -> Mapping[ModelName, Answerer]:
        """Return the answerers, if questions are accepted.

        While one model is away, the other answers.

        Raises:
            NotReady: the service is starting, draining or broken.

        """
        lives = any(answerer.engine.alive for answerer in self.answerers.values())
        if self.step != "ready" or not lives:
            raise NotReady(f"The service is not ready: {self.step if self.alive else 'failed'}.")
        return self.answerers

    def suppresses_answer(self, notices: Sequence[Notice]) -> bool:
        """Whether these notices are given instead of an answer, for which no place is needed."""
        return bool(notices) and not self.red_flags.answered

    def reading(self, question: str, grounded: bool | None, max_new_tokens: int) -> Reading:
        """Return what is to be read for a question; `grounded` None: where the model can.

        Raises:
            InvalidField: it is asked for, and there is no index, or the model cannot read.
        """
        if grounded and self.reader is None:
            raise InvalidField("grounded", "needs an index and a model that learned to read")
        reader = None if grounded is False else self.reader
        return Reading(reader, question, max_new_tokens)

    @asynccontextmanager
    async def with_notices(self, question: str) -> AsyncIterator[list[Notice]]:
        """Give what must be said before an answer to a question; a failure in here says it too.

        A long message is read in another thread: the event loop has others to serve.
        """
        seen = question[: self.limits.max_question_characters]
        if len(seen) > _LONG_CHARACTERS:
            notices = await beside(self.red_flags.notices, seen)
        else:
            notices = self.red_flags.notices(seen)
        try:
            yield notices
        except ServiceError as error:
            error.notices = [asdict(notice) for notice in notices]
            error.spoken_notices = spoken(notices)
            raise

    async def warm_up(self, answerers: Mapping[ModelName, Answerer]) -> None:
        """Answer one short question with each model, then accept questions."""
        self.answerers = answerers
        self.step = "warming up"
        decoding = Decoding(max_new_tokens=_WARM_UP_TOKENS)
        await asyncio.gather(
            *(answerer.answer(_WARM_UP_QUESTION, decoding) for answerer in answerers.values())
        )
        self.step = "ready"

    async def watch(self, grace_seconds: float) -> None:
        """Return once a model has been dead or stuck for `grace_seconds` on end.

        A stuck thread may come back within it, and the service with it; a process that is being
        started again has longer.
        """
        clock = asyncio.get_running_loop().time
        alive_at = clock()
        while clock() - alive_at < grace_seconds:
            await asyncio.sleep(_WATCH_SECONDS)
            if self.alive or self.restarting:
                alive_at = clock()
        logger.error("an inference thread has been dead or stuck for %g s", grace_seconds)
