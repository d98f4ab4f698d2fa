"""GET and POST /references, and the search that goes beside an answer on the answer's own time."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict
from typing import Annotated

from fastapi import APIRouter, Query

from app.answering.service import Service
from app.api.dependencies import ServiceDependency
from app.api.document import problems
from app.api.reference_schemas import NoticeBody, ReferenceBody, SearchResponse, SentenceMark
from app.api.schemas import SearchRequest, Text
from app.errors import NoReferences, QueueFull
from app.references.index import Reference
from app.references.marks import Evidence, marked
from app.references.passages import Passage

HINT = "`python -m training index --out models/references` makes an index of published answers."

NOTHING_FOUND = "Nothing that was published and is in the index fits this question."

_MOST_SEARCHES = 64
"""Those of answers included, which would wait behind them: under half a second on one core."""

router = APIRouter(tags=["answers"], responses=problems(400, 404, 413, 415, 422, 429, 500, 503))


@router.post("/references")
async def search(body: SearchRequest, service: ServiceDependency) -> SearchResponse:
    """Find published answers to questions like this one; no model is asked.

    The question stands in the body: a URL stays in the logs of proxies.
    """
    return await _response(service, body.question, "question", body.limit)


@router.get("/references")
async def find_references(
    q: Annotated[Text, Query(description="The question, as a person would ask it.")],
    service: ServiceDependency,
    limit: Annotated[int, Query(ge=1, le=10, description="Most references to list.")] = 5,
) -> SearchResponse:
    """Find published answers to questions like this one; what is private belongs in a POST."""
    return await _response(service, q, "q", limit)


async def _response(service: Service, question: str, field: str, limit: int) -> SearchResponse:
    async with service.with_notices(question) as notices:
        service.admit()
        service.limits.check_length(question, field)
        if service.references is None:
            raise NoReferences(f"This service has no index of references. {HINT}")
        if service.references.searching >= _MOST_SEARCHES:
            raise QueueFull("Too many searches are waiting.", retry_after_seconds=1)
        found = await service.references.find(question, limit)
    return SearchResponse(
        notices=[NoticeBody(**asdict(notice)) for notice in notices],
        question=question,
        references=_bodies(found, service.excerpt_characters),
        nothing_found=None if found else NOTHING_FOUND,
    )


class Search:
    """The search for one question: begun with the answer's first token, done before its last."""

    def __init__(self, service: Service, question: str, count: int) -> None:
        self._index = service.references
        self._excerpt_characters = service.excerpt_characters
        self._question = question
        self._count = count
        self._task: asyncio.Task[list[Reference]] | None = None
        self._told = False

    def begin(self) -> None:
        """Begin, unless it has begun: not before the first token, which it must not hold up."""
        if self._index and self._count and not self._task:
            self._task = asyncio.create_task(self._index.find(self._question, self._count))

    def news(self) -> list[ReferenceBody] | None:
        """Return what was found, once, as soon as it is there."""
        if self._told or not self._task or not self._task.done():
            return None
        self._told = True
        return _bodies(self._task.result(), self._excerpt_characters)

    async def found(self) -> list[ReferenceBody] | None:
        """Return what was found; None where there is no index or nothing was asked for."""
        self.begin()
        return _bodies(await self._task, self._excerpt_characters) if self._task else None

    async def marks(self, answer: str, read: Sequence[Passage]) -> list[SentenceMark]:
        """Return what can be said of its sentences by what was found and what was read."""
        self.begin()
        found = await self._task if self._task else []
        ids = {each.id for each in read}
        texts = [
            Evidence(each.id, each.focus, each.answer, each.score, each.id in ids) for each in found
        ]
        known = {text.id for text in texts}
        texts += [
            Evidence(each.id, each.title, each.text, each.probability, read=True)
            for each in read
            if each.id not in known
        ]
        if self._index and texts:
            marks = await self._index.marked(answer, texts)
        else:
            marks = marked(answer, [])
        return [SentenceMark(**each._asdict()) for each in marks]

    def cancel(self) -> None:
        """Stop waiting for it."""
        if self._task:
            self._task.cancel()


@asynccontextmanager
async def searching(service: Service, question: str, count: int) -> AsyncIterator[Search]:
    """Give a search that ends with its answer, whatever becomes of that."""
    search = Search(service, question, count)
    try:
        yield search
    finally:
        search.cancel()


def _bodies(found: Sequence[Reference], excerpt_characters: int) -> list[ReferenceBody]:
    return [
        ReferenceBody(
            excerpt=_excerpt(reference.answer, excerpt_characters),
            **{name: value for name, value in reference._asdict().items() if name != "answer"},
        )
        for reference in found
    ]


def _excerpt(answer: str | None, characters: int) -> str | None:
    """Return how an answer begins, cut between words."""
    if answer is None or len(answer) <= characters:
        return answer
    return answer[: characters - 1].rsplit(" ", 1)[0] + "…"
