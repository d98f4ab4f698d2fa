"""CTranslate2 behind FastAPI, as one would build it: whoever waits goes into the next batch.

`python -m benchmarks.peers.ctranslate2_app MODEL PORT FORMAT`, FORMAT being one of CTranslate2's
(float32, int8, …). Tokens are streamed as the batch's steps give them.
"""

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import torch
import uvicorn
from fastapi import FastAPI
from fastapi.responses import StreamingResponse
from pydantic import BaseModel
from transformers import AutoTokenizer

from benchmarks.peers.ctranslate2 import converted, generator

_MAX_BATCH = 16
_BATCH_SECONDS = 0.01

Stream = asyncio.Queue[int | None]


class Question(BaseModel):
    """A question, and how long its answer may be."""

    question: str
    max_new_tokens: int


class Batches:
    """One generator, and the questions that wait for its next batch."""

    def __init__(self, model: Path, compute_type: str) -> None:
        self._tokenizer: Any = AutoTokenizer.from_pretrained(model)
        with converted(model) as (directory, self._tokens):
            self._generator = generator(directory, torch.device("cpu"), compute_type)
        self._waiting: asyncio.Queue[tuple[Question, Stream]] = asyncio.Queue()

    async def answer(self, question: Question) -> AsyncIterator[str]:
        """Yield one answer as server-sent events."""
        stream: Stream = asyncio.Queue()
        self._waiting.put_nowait((question, stream))
        made = 0
        while (token := await stream.get()) is not None:
            made += 1
            yield f"data: {json.dumps({'text': self._tokenizer.decode([token])})}\n\n"
        yield f"data: {json.dumps({'usage': {'completion_tokens': made}})}\n\n"

    async def run(self) -> None:
        """Make batch after batch of those who wait."""
        loop = asyncio.get_running_loop()
        while True:
            batch = [await self._waiting.get()]
            await asyncio.sleep(_BATCH_SECONDS)
            while len(batch) < _MAX_BATCH and not self._waiting.empty():
                batch.append(self._waiting.get_nowait())
            await asyncio.to_thread(self._make, batch, loop)

    def _make(self, batch: list[tuple[Question, Stream]], loop: asyncio.AbstractEventLoop) -> None:
        told = [0] * len(batch)

        def tell(place: int, token: int) -> None:
            question, stream = batch[place]
            if told[place] < question.max_new_tokens:
                told[place] += 1
                loop.call_soon_threadsafe(stream.put_nowait, token)

        def step(result: Any) -> bool:
            tell(result.batch_id, result.token_id)
            return False

        prompts = [
            [self._tokens[token] for token in self._tokenizer.encode(_prompt(question))]
            for question, _ in batch
        ]
        longest = max(question.max_new_tokens for question, _ in batch)
        results = self._generator.generate_batch(
            prompts,
            max_length=longest,
            min_length=longest,
            beam_size=1,
            include_prompt_in_result=False,
            callback=step,
        )
        for place, (result, (_, stream)) in enumerate(zip(results, batch, strict=True)):
            for token in result.sequences_ids[0][told[place] :]:  # steps that it did not tell
                tell(place, token)
            loop.call_soon_threadsafe(stream.put_nowait, None)


def _prompt(question: Question) -> str:
    return f"<question>{question.question}<answer>"


def create_app(model: Path, compute_type: str) -> FastAPI:
    """Return the application; it is ready once it listens."""
    batches = Batches(model, compute_type)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        running = asyncio.create_task(batches.run())
        yield
        running.cancel()

    app = FastAPI(lifespan=lifespan)

    @app.get("/health")
    async def health() -> str:
        return "ready"

    @app.post("/answer")
    async def answer(question: Question) -> StreamingResponse:
        return StreamingResponse(batches.answer(question), media_type="text/event-stream")

    return app


if __name__ == "__main__":
    application = create_app(Path(sys.argv[1]), sys.argv[3])
    uvicorn.run(application, host="127.0.0.1", port=int(sys.argv[2]), log_level="warning")
