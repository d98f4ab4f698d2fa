"""Processes that end, hang or cannot start: their answers fail, and they are started again."""

import asyncio
from collections.abc import Callable
from contextlib import aclosing, closing
from pathlib import Path

import pytest

from app.engine.checkpoint import Checkpoint
from app.engine.interface import Decoding
from app.engine.processes import Workers
from app.errors import (
    GenerationFailed,
    NotReady,
)
from tests.app.conftest import generated, running_engine
from tests.app.engine.test_client import LIMITS, PROMPTS, _ids, _processes


async def test_workers_end_with_the_server() -> None:
    with closing(Workers(2)) as workers:
        processes = _processes()[:2]
        assert len(processes) == 2
        for place in range(2):
            workers.connection(place).close()
        async with asyncio.timeout(10):
            while any(each in _processes() for each in processes):  # noqa: ASYNC110 - others' end
                await asyncio.sleep(0.01)


async def test_an_ended_process_is_started_again_some_times(
    pair: Path, fine_tuned: Checkpoint, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    async with running_engine(pair / "fine-tuned", LIMITS, restarts=1) as engine:
        expected = generated(fine_tuned, PROMPTS[0], 12)
        drafted = engine.drafted
        process = _processes()[0]
        process.suspend()  # else it may have answered before it is killed
        async with aclosing(engine.generate([5, 6], Decoding(100))) as tokens:
            first = asyncio.ensure_future(anext(tokens))
            await _until(lambda: engine.in_flight > 0)
            process.kill()
            with pytest.raises(GenerationFailed):
                await first
        assert not engine.alive
        assert engine.restarting
        with pytest.raises(NotReady):
            await _ids(engine, PROMPTS[0])
        await _until(lambda: engine.alive and not engine.restarting)
        assert engine.process_id == _processes()[0].pid
        assert await _ids(engine, PROMPTS[0]) == expected
        assert engine.drafted >= drafted
        _processes()[0].kill()
        await _until(lambda: not engine.alive and not engine.restarting)
    assert "started again" in caplog.text


async def test_one_that_cannot_start_again_is_tried_as_often(broken: Path) -> None:
    async with running_engine(broken, LIMITS, restarts=1) as engine:
        (broken / "model.safetensors").write_bytes(b"not weights")
        _processes()[0].kill()
        await _until(lambda: engine.restarting)
        await _until(lambda: not engine.restarting)
        assert not engine.alive


async def _until(state: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not state():  # noqa: ASYNC110 - a state, as for any client
            await asyncio.sleep(0.01)
