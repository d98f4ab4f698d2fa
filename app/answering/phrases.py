"""Stock phrases: which spans of an answer stand word for word in the answers a model learned from.

They show what a small model has learned: form, not facts. Knows nothing about HTTP.
"""

import asyncio
from dataclasses import dataclass

from app.engine.interface import Engine
from app.errors import ServiceError
from app.references.claims import sentences

_PATIENCE_SECONDS = 2.0  # an answer that is done is not held up for long


@dataclass(frozen=True, slots=True)
class Phrase:
    """A span of an answer, in code points, in so many training answers on so many topics."""

    start: int
    end: int
    answers: int
    topics: int


async def phrases(answer: str, engine: Engine) -> list[Phrase] | None:
    """Return an answer's stock phrases, the longest of each sentence: none crosses its end.

    None where the model's training answers are not known, or it did not look them up in time.
    """
    ends = [end for _, end in sentences(answer)]
    starts = [0, *ends[:-1]]  # a token begins with the space before its word
    encode = engine.checkpoint.tokenizer.encode_placed
    encoded = [encode(answer[start:end]) for start, end in zip(starts, ends, strict=False)]
    try:
        async with asyncio.timeout(_PATIENCE_SECONDS):
            found = await engine.spans([ids for ids, _ in encoded])
    except (TimeoutError, ServiceError):
        return None
    if found is None:
        return None
    return [
        Phrase(
            start + places[span.begin][0],
            start + places[span.end - 1][1],
            span.answers,
            span.topics,
        )
        for start, (_, places), spans in zip(starts, encoded, found, strict=False)
        for span in spans
    ]
