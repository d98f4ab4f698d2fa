"""Engines over the tiny pair, fake ones that say what a test tells them, real servers of both."""

import asyncio
import os
import threading
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, closing, contextmanager
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest
import torch
import uvicorn
from fastapi import FastAPI
from starlette.types import ASGIApp
from transformers import GenerationConfig, GPT2LMHeadModel

from app.answering.answer import ModelName
from app.answering.answerer import Answerer, Deadlines
from app.answering.prompt_format import PromptFormat
from app.engine.admission import Limits
from app.engine.checkpoint import Checkpoint, load
from app.engine.client import WorkerEngine
from app.engine.drafting import Drafter
from app.engine.guard import RepetitionGuard, inside_words
from app.engine.interface import Decoding, Source, Span, Token
from app.engine.processes import Workers
from app.engine.requests import Generation
from app.engine.scheduler import Scheduler
from app.engine.worker import choose
from app.errors import QueueFull
from app.main import create_app
from app.settings import Settings
from tests.app.server_process import Server

ROOT = Path(__file__).parents[2]

os.environ["MEDQA_REFERENCES"] = "none"  # a test that wants references brings its own


def loaded(directory: Path) -> Checkpoint:
    """Load a model as a CPU serves it, with room for a few answers."""
    return load(Source(str(directory)), device="cpu", dtype="float32", threads=1, cache_tokens=512)


@pytest.fixture(scope="session")
def fine_tuned(pair: Path) -> Checkpoint:
    return loaded(pair / "fine-tuned")


@pytest.fixture(scope="session")
def base(pair: Path) -> Checkpoint:
    return loaded(pair / "base")


@pytest.fixture(scope="session")
def tiny_format(fine_tuned: Checkpoint) -> PromptFormat:
    return PromptFormat.of_model(fine_tuned)


@cache
def reference_model(directory: Path) -> Any:
    """Return transformers' own model of a directory."""
    return GPT2LMHeadModel.from_pretrained(directory).eval()


def generated(checkpoint: Checkpoint, prompt: list[int], new_tokens: int) -> list[int]:
    """Return the greedy continuation by transformers' own `generate()`."""
    output = reference_model(checkpoint.directory).generate(
        torch.tensor([prompt]),
        attention_mask=torch.ones(1, len(prompt), dtype=torch.long),
        generation_config=GenerationConfig(
            max_new_tokens=new_tokens,
            do_sample=False,
            eos_token_id=checkpoint.tokenizer.eos_token_id,
            pad_token_id=checkpoint.tokenizer.pad_token_id,
        ),
    )
    ids: list[int] = output[0, len(prompt) :].tolist()
    return ids


def made_here(
    checkpoint: Checkpoint, prompts: Sequence[list[int]], decoding: Decoding, end: int | None = None
) -> list[list[int]]:
    """Return the answers that a scheduler in this process makes of prompts, all in one batch."""
    scheduler = Scheduler(checkpoint.backend, choose, Limits(len(prompts), 0, 64))
    size = decoding.no_repeat_ngram_size or 0
    inside = inside_words(checkpoint.tokenizer)
    for number, prompt in enumerate(prompts):
        guard = RepetitionGuard(prompt, size, inside) if size else None
        scheduler.add(number, Generation(prompt, decoding, end, guard, Drafter(prompt, None)))
    made: list[list[int]] = [[] for _ in prompts]
    while not scheduler.idle:
        for number, tokens, _ in scheduler.step():
            assert isinstance(tokens, list)
            made[number] += [token.id for token in tokens]
    return made


def worker_settings(source: Path) -> dict[str, Any]:
    """Return what a worker is told of a model."""
    wanted: dict[str, Any] = {"device": "cpu", "dtype": "float32", "cpu_threads": 1}
    return wanted | {
        "source": str(source), "revision": None, "log_level": "info", "log_format": "text",
    }  # fmt: skip


@asynccontextmanager
async def running_engine(
    source: Path, limits: Limits, restarts: int = 0
) -> AsyncIterator[WorkerEngine]:
    """Run a model in a process of its own."""
    with closing(Workers(1)) as workers:
        engine = await WorkerEngine.load(
            workers.connection(0),
            limits,
            restart=partial(workers.restart, 0),
            restarts=restarts,
            **worker_settings(source),
        )
        yield engine
        engine.stop()


class FakeEngine:
    """Says the given tokens, then ends; keeps count of what was cancelled."""

    def __init__(
        self,
        checkpoint: Checkpoint,
        text: str = "",
        *,
        end: bool = False,
        error: Exception | None = None,
        seconds_per_token: float = 0.0,
    ) -> None:
        self.checkpoint = checkpoint
        self.ids = checkpoint.tokenizer.encode(text)
        self.ends = [False] * len(self.ids)
        if end:
            assert checkpoint.tokenizer.eos_token_id is not None
            self.ids.append(checkpoint.tokenizer.eos_token_id)
            self.ends.append(True)
        self.error = error
        self.seconds_per_token = seconds_per_token
        self.alive = True
        self.restarting = False
        self.limits = Limits(16, 4, 256)
        self.device_reason = "there is no card"
        self.drafted = self.accepted = 0
        self.process_id = os.getpid()
        self.in_flight = 0
        self.prompts: list[list[int]] = []
        self.known_spans: list[Span] | None = None

    def require_place(self) -> None:
        if isinstance(self.error, QueueFull) and not self.ids:
            raise self.error

    async def generate(self, prompt_ids: list[int], decoding: Decoding) -> AsyncGenerator[Token]:
        self.prompts.append(prompt_ids)
        self.in_flight += 1
        try:
            for place, token_id in enumerate(self.ids[: decoding.max_new_tokens]):
                await asyncio.sleep(self.seconds_per_token)
                last = place == min(len(self.ids), decoding.max_new_tokens) - 1
                yield Token(token_id, last, self.ends[place], queue_seconds=0.25)
            if self.error:
                raise self.error
        finally:
            self.in_flight -= 1

    async def bits(self, prompt_ids: list[int], continuation_ids: list[int]) -> float:
        return 8.0 * len(continuation_ids)

    async def spans(self, texts: list[list[int]]) -> list[list[Span]] | None:
        """Return what a test said of the first text."""
        if self.known_spans is None:
            return None
        return [self.known_spans, *([] for _ in texts[1:])]

    def stop(self) -> None:
        self.alive = False


@pytest.fixture
def answerer(tiny_format: PromptFormat) -> Callable[..., Answerer]:
    def build(
        engine: FakeEngine, model: ModelName = "fine-tuned", timeout_seconds: float = 5.0
    ) -> Answerer:
        return Answerer(model, engine, tiny_format, Deadlines(timeout_seconds, timeout_seconds))

    return build


@asynccontextmanager
async def client_of(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    """Run an application in this process until it is ready; yield a client of it."""
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with (
        httpx.AsyncClient(transport=transport, base_url="http://test") as client,
        app.router.lifespan_context(app),
    ):
        async with asyncio.timeout(60):
            while not app.state.service.ready:  # noqa: ASYNC110 - a state, as for any client
                await asyncio.sleep(0.001)
        yield client


Asking = Callable[..., Awaitable[httpx.AsyncClient]]


@pytest.fixture
async def asking(fine_tuned: Checkpoint, base: Checkpoint) -> AsyncIterator[Asking]:
    """Build an app in this process, over fake engines and these settings, and a client of it."""
    async with AsyncExitStack() as stack:

        async def build(**settings: Any) -> httpx.AsyncClient:
            engines: Any = {
                "fine-tuned": FakeEngine(fine_tuned, "A disease.", end=True),
                "base": FakeEngine(base, "The"),
            }
            app = create_app(Settings(_env_file=None, **settings), engines)
            return await stack.enter_async_context(client_of(app))

        yield build


@pytest.fixture(scope="session")
def server(pair: Path) -> Iterator[Server]:
    running = Server(
        MEDQA_FINE_TUNED_MODEL=str(pair / "fine-tuned"),
        MEDQA_BASE_MODEL=str(pair / "base"),
        MEDQA_DEFAULT_NEW_TOKENS="20",
    )
    try:
        running.wait_until_ready()
        yield running
    finally:
        if running.process.poll() is None:
            running.stop()


def _client(url: str) -> openai.OpenAI:
    return openai.OpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0, timeout=60)


@pytest.fixture(scope="session")
def client(server: Server) -> Iterator[openai.OpenAI]:
    with _client(server.url) as connected:
        yield connected


@contextmanager
def serving(app: ASGIApp, **config: Any) -> Iterator[str]:
    """Serve an application from a thread of this process; yield its URL."""
    with running(uvicorn.Server(uvicorn.Config(app, port=0, log_config=None, **config))) as url:
        yield url


@contextmanager
def running(server: uvicorn.Server) -> Iterator[str]:
    """Run a server in a thread of this process; yield its URL."""
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        while not server.started:
            assert thread.is_alive()
            time.sleep(0.01)
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()


@dataclass
class Faked:
    """A real server over engines that say what a test tells them, and a client of it."""

    fine_tuned: FakeEngine
    base: FakeEngine
    client: openai.OpenAI


@pytest.fixture
def faked(fine_tuned: Checkpoint, base: Checkpoint) -> Iterator[Faked]:
    tuned = FakeEngine(fine_tuned, "A disease.", end=True)
    untuned = FakeEngine(base, "Wheezing and coughing, then <end> more")
    app = create_app(Settings(), {"fine-tuned": tuned, "base": untuned})
    with serving(app) as url, _client(url) as client:
        while not app.state.service.ready:
            time.sleep(0.01)
        yield Faked(tuned, untuned, client)
