"""A model in a process of its own: same tokens, errors that travel, sudden ends of either side."""

import asyncio
import os
import signal
import socket
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager, closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest
import pytest_asyncio

from app.engine.admission import Limits
from app.engine.channel import Wire, read, written
from app.engine.checkpoint import Checkpoint
from app.engine.client import WorkerEngine, ready
from app.engine.interface import Decoding
from app.engine.processes import Workers
from app.errors import (
    CheckpointError,
    GenerationFailed,
    NotReady,
    PromptTooLong,
    QueueFull,
    ServiceError,
)
from tests.app.conftest import generated
from tests.conftest import CONTEXT_TOKENS

pytestmark = pytest.mark.asyncio(loop_scope="module")

PROMPTS = [[5, 9, 17], [33, 8, 120, 64, 31, 7], [250, 3], [61] * 30]
LIMITS = Limits(max_running=4, max_waiting=2, max_batch_tokens=64, stall_seconds=0.5)


async def _load(workers: Workers, source: Path, limits: Limits = LIMITS) -> WorkerEngine:
    wanted: dict[str, Any] = {"device": "cpu", "dtype": "float32", "cpu_threads": 1}
    wanted |= {"source": str(source), "revision": None, "log_level": "info", "log_format": "text"}
    return await WorkerEngine.load(await ready(workers.sockets[0]), limits, **wanted)


@asynccontextmanager
async def _loaded(pair: Path, limits: Limits = LIMITS) -> AsyncIterator[WorkerEngine]:
    with closing(Workers(1)) as workers:
        engine = await _load(workers, pair / "fine-tuned", limits)
        yield engine
        engine.stop()


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def engine(pair: Path) -> AsyncIterator[WorkerEngine]:
    """One for all who leave it as it was: a process takes seconds to begin."""
    async with _loaded(pair) as loaded:
        yield loaded


@pytest_asyncio.fixture(loop_scope="module")
async def own(pair: Path) -> AsyncIterator[WorkerEngine]:
    """One for a test alone; nothing that it fails at may have come from mere silence."""
    async with _loaded(pair, replace(LIMITS, stall_seconds=600.0)) as loaded:
        yield loaded


def _processes() -> list[psutil.Process]:
    """Return this process' workers, the youngest first."""
    begun = [each for each in psutil.Process(os.getpid()).children() if _is_worker(each)]
    forked = [child for each in begun for child in each.children() if _is_worker(child)]
    return sorted([*begun, *forked], key=lambda each: -each.create_time())


def _is_worker(process: psutil.Process) -> bool:
    try:
        return "app.engine.worker" in process.cmdline()
    except psutil.Error:  # it has ended meanwhile
        return False


async def _ids(engine: WorkerEngine, prompt: list[int], new_tokens: int = 12) -> list[int]:
    async with aclosing(engine.generate(prompt, Decoding(new_tokens))) as tokens:
        return [token.id async for token in tokens]


async def test_alone_and_in_a_batch_as_generate(
    engine: WorkerEngine, fine_tuned: Checkpoint
) -> None:
    expected = [generated(fine_tuned, prompt, 12) for prompt in PROMPTS]
    assert [await _ids(engine, prompt) for prompt in PROMPTS] == expected
    assert await asyncio.gather(*(_ids(engine, prompt) for prompt in PROMPTS)) == expected
    said, known = engine.checkpoint, fine_tuned
    for name in ("source", "revision", "parameters", "context_tokens", "device", "dtype"):
        assert getattr(said, name) == getattr(known, name)
    assert said.tokenizer.backend.to_str() == known.tokenizer.backend.to_str()
    assert said.no_repeat_ngram_size == known.no_repeat_ngram_size


async def test_closing_a_stream_frees_its_place_in_both_processes(
    engine: WorkerEngine, fine_tuned: Checkpoint
) -> None:
    for _ in range(30):
        async with aclosing(engine.generate([5, 6], Decoding(100))) as tokens:
            await anext(tokens)
    assert engine.in_flight == 0
    # The other process refuses what it has no place for, as this one does.
    expected = generated(fine_tuned, PROMPTS[0], 12)
    assert await asyncio.gather(*(_ids(engine, PROMPTS[0]) for _ in range(6))) == [expected] * 6


async def test_what_cannot_be_done_is_said(engine: WorkerEngine) -> None:
    with pytest.raises(PromptTooLong, match=f"{CONTEXT_TOKENS} tokens"):
        await _ids(engine, [5] * CONTEXT_TOKENS)
    with pytest.raises(PromptTooLong, match=f"{CONTEXT_TOKENS + 1} tokens"):
        await engine.bits([5], [6] * CONTEXT_TOKENS)
    running = [asyncio.create_task(_ids(engine, [5, 6], 100)) for _ in range(6)]
    await asyncio.sleep(0)
    with pytest.raises(QueueFull, match="All 6 places"):
        engine.require_place()
    await asyncio.gather(*running)
    engine.require_place()


async def test_bits_are_those_of_the_model(engine: WorkerEngine, fine_tuned: Checkpoint) -> None:
    answering = asyncio.create_task(_ids(engine, PROMPTS[0]))
    assert await engine.bits([5, 9, 17], [33]) > 0
    assert await answering == generated(fine_tuned, PROMPTS[0], 12)


async def test_a_killed_worker_fails_its_answers(
    own: WorkerEngine, caplog: pytest.LogCaptureFixture
) -> None:
    async with aclosing(own.generate([5, 6], Decoding(100))) as tokens:
        await anext(tokens)
        others = [asyncio.create_task(_ids(own, [5, 6], 100)) for _ in range(5)]
        await asyncio.sleep(0)
        _processes()[0].kill()
        async with asyncio.timeout(30):
            with pytest.raises(GenerationFailed):
                async for _ in tokens:
                    pass
            failed = await asyncio.gather(*others, return_exceptions=True)
    assert {type(each) for each in failed} == {GenerationFailed}
    assert not own.alive
    assert own.in_flight == 0
    assert [record.getMessage() for record in caplog.records] == [
        f"the process of {own.checkpoint.source} has ended"
    ]
    with pytest.raises(NotReady):
        await _ids(own, [5])
    with pytest.raises(NotReady):
        await own.bits([5], [6])


async def test_a_worker_that_hangs_fails_its_answers_and_may_come_back(
    engine: WorkerEngine, fine_tuned: Checkpoint
) -> None:
    worker = _processes()[0]
    async with aclosing(engine.generate([5, 6], Decoding(100))) as tokens:
        await anext(tokens)
        worker.suspend()
        with pytest.raises(GenerationFailed):
            async for _ in tokens:
                pass
    assert not engine.alive
    worker.resume()
    async with asyncio.timeout(10):
        while not bool(engine.alive):  # noqa: ASYNC110 - a state, as for any client
            await asyncio.sleep(0.01)
    assert await _ids(engine, PROMPTS[0]) == generated(fine_tuned, PROMPTS[0], 12)


async def test_signals_for_the_service_are_not_for_its_workers(engine: WorkerEngine) -> None:
    async with aclosing(engine.generate([5, 6], Decoding(60))) as tokens:
        await anext(tokens)
        for told in (signal.SIGTERM, signal.SIGINT):
            _processes()[0].send_signal(told)
        assert len([token async for token in tokens]) == 59


async def test_workers_end_with_the_server() -> None:
    with closing(Workers(2)) as workers:
        wires = [await ready(connected) for connected in workers.sockets]
        processes = _processes()[:2]
        assert len({each.pid for each in processes}) == 2
        for wire in wires:
            wire.close()
        async with asyncio.timeout(10):
            while any(each in _processes() for each in processes):  # noqa: ASYNC110 - others' end
                await asyncio.sleep(0.01)


async def test_a_model_that_must_not_be_served_is_named(broken: Path) -> None:
    (broken / "model.safetensors").write_bytes(b"not weights")
    with closing(Workers(1)) as workers, pytest.raises(CheckpointError, match=str(broken)):
        await _load(workers, broken)


async def test_a_worker_that_ends_while_it_loads_is_no_riddle(pair: Path) -> None:
    with closing(Workers(1)) as workers:
        wire = await ready(workers.sockets[0])
        _processes()[0].kill()
        with pytest.raises(CheckpointError, match="the/model: its process ended"):
            await WorkerEngine.load(wire, LIMITS, source="the/model")


@pytest.mark.parametrize(
    "error", [GenerationFailed("a"), NotReady("b"), PromptTooLong("c"), QueueFull("d", 7)]
)
async def test_errors_arrive_as_they_were_sent(error: ServiceError) -> None:
    arrived = read(written(error))
    assert type(arrived) is type(error)
    assert str(arrived) == str(error)
    assert arrived.headers == error.headers


async def test_half_a_message_is_none() -> None:
    ours, theirs = socket.socketpair()
    wire = await Wire.over(ours)
    theirs.sendall(b'{"alive": true}\n{"tok')
    theirs.close()
    assert await wire.receive() == {"alive": True}
    assert await wire.receive() is None
    wire.close()
