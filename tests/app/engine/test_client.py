"""A model in a process of its own: same tokens, errors that travel, sudden ends of either side."""

import asyncio
import math
import os
import signal
import socket
from collections.abc import AsyncIterator
from contextlib import aclosing, closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest
import pytest_asyncio
import torch
from transformers import AutoTokenizer

from app.engine.admission import Limits, asker
from app.engine.channel import Channel, Message, packed, unpacked
from app.engine.checkpoint import Checkpoint
from app.engine.client import WorkerEngine
from app.engine.interface import Decoding, Span
from app.engine.processes import Workers
from app.errors import (
    CheckpointError,
    GenerationFailed,
    NotReady,
    PromptTooLong,
    QueueFull,
    ServiceError,
)
from tests.app.conftest import generated, reference_model, running_engine, worker_settings
from tests.conftest import CONTEXT_TOKENS, SENTENCES
from training.trainer.training_text import indexed

pytestmark = pytest.mark.asyncio(loop_scope="module")

PROMPTS = [[5, 9, 17], [33, 8, 120, 64, 31, 7], [250, 3], [61] * 30]
LIMITS = Limits(max_running=4, max_waiting=2, max_batch_tokens=64, stall_seconds=0.5)


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def engine(pair: Path) -> AsyncIterator[WorkerEngine]:
    """One for all who leave it as it was: a process takes a second to begin."""
    async with running_engine(pair / "fine-tuned", LIMITS) as running:
        yield running


@pytest_asyncio.fixture(loop_scope="module")
async def own(pair: Path) -> AsyncIterator[WorkerEngine]:
    """One for a test alone; nothing that it fails at may have come from mere silence."""
    limits = replace(LIMITS, stall_seconds=600.0)
    async with running_engine(pair / "fine-tuned", limits) as running:
        yield running


def _processes() -> list[psutil.Process]:
    """Return this process' workers, the youngest first."""
    begun = [each for each in psutil.Process(os.getpid()).children() if _is_worker(each)]
    return sorted(begun, key=lambda each: -each.create_time())


def _is_worker(process: psutil.Process) -> bool:
    try:
        return "app.engine.worker" in process.cmdline()
    except psutil.Error:  # it has ended meanwhile
        return False


async def _ids(
    engine: WorkerEngine, prompt: list[int], new_tokens: int = 12, **decoding: Any
) -> list[int]:
    async with aclosing(engine.generate(prompt, Decoding(new_tokens, **decoding))) as tokens:
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


async def test_what_nobody_reads_along_with_is_the_same_in_fewer_messages(
    engine: WorkerEngine, fine_tuned: Checkpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard = []
    take = WorkerEngine._take

    def watching(self: WorkerEngine, message: Message) -> None:
        heard.append(len(message.get("tokens", ())))
        take(self, message)

    monkeypatch.setattr(WorkerEngine, "_take", watching)
    expected = generated(fine_tuned, PROMPTS[0], 12)
    assert await _ids(engine, PROMPTS[0], streamed=False) == expected
    assert [count for count in heard if count] == [1, 11]


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
    prompt, continuation = [5, 9, 17], [33, 8, 120] * 30
    logits = reference_model(fine_tuned.directory)(torch.tensor([prompt + continuation])).logits
    scored = logits[0, len(prompt) - 1 : -1].log_softmax(-1)
    nats = -scored.gather(1, torch.tensor(continuation)[:, None]).sum()
    answering = asyncio.create_task(_ids(engine, PROMPTS[0]))
    bits = await engine.bits(prompt, continuation)
    assert bits == pytest.approx(nats.item() / math.log(2), rel=1e-4)
    assert await answering == generated(fine_tuned, PROMPTS[0], 12)


async def test_a_reference_is_scored_where_no_place_is_left(engine: WorkerEngine) -> None:
    running = [asyncio.create_task(_ids(engine, [5, 6], 100)) for _ in range(6)]
    await asyncio.sleep(0)
    assert await engine.bits([5], [6]) > 0  # it belongs to an answer that had a place
    await asyncio.gather(*running)


@pytest.mark.parametrize("drafts", [True, False])
async def test_greedy_answers_are_those_of_generate(
    pair: Path, fine_tuned: Checkpoint, drafts: bool
) -> None:
    prompts = [[(7 * n + 3 * place) % 390 for place in range(1 + n % 60)] for n in range(24)]
    expected = [generated(fine_tuned, prompt, 40) for prompt in prompts]
    limits = replace(LIMITS, max_running=16, max_waiting=8, drafts=drafts)
    async with running_engine(pair / "fine-tuned", limits) as engine:
        made = await asyncio.gather(*(_ids(engine, prompt, 40) for prompt in prompts))
        assert bool(engine.drafted) == drafts
    assert made == expected


async def test_a_seeded_answer_is_the_same_in_another_process(
    engine: WorkerEngine, pair: Path
) -> None:
    decoding = {"temperature": 1.0, "seed": 11, "no_repeat_ngram_size": 3}
    alone = await _ids(engine, PROMPTS[1], 40, **decoding)
    batch = [_ids(engine, prompt, 40, temperature=1.5) for prompt in PROMPTS[:3]]
    among, *_ = await asyncio.gather(_ids(engine, PROMPTS[1], 40, **decoding), *batch)
    async with running_engine(pair / "fine-tuned", replace(LIMITS, drafts=False)) as again:
        assert await _ids(again, PROMPTS[1], 40, **decoding) == alone == among
    assert await _ids(engine, PROMPTS[1], 40, **decoding | {"seed": 12}) != alone


async def test_logprobs_travel(engine: WorkerEngine) -> None:
    async with aclosing(engine.generate(PROMPTS[0], Decoding(3, logprobs=2))) as tokens:
        async for token in tokens:
            assert token.top[0] == (token.id, token.logprob)
            assert len(token.top) == 2


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


async def test_a_model_that_must_not_be_served_is_named(broken: Path) -> None:
    (broken / "model.safetensors").write_bytes(b"not weights")
    with pytest.raises(CheckpointError, match=str(broken)):
        async with running_engine(broken, LIMITS):
            pass


async def test_training_answers_that_cannot_be_read_are_named(broken: Path) -> None:
    (broken / "training_text.npz").write_bytes(b"no archive")
    with pytest.raises(CheckpointError, match=r"training_text\.npz cannot be read"):
        async with running_engine(broken, LIMITS):
            pass


async def test_spans_that_stand_in_the_training_answers(broken: Path) -> None:
    tokenizer = AutoTokenizer.from_pretrained(broken)
    told = tokenizer.encode(SENTENCES[0], add_special_tokens=False)
    (broken / "training_text.npz").write_bytes(indexed(SENTENCES[:1] * 3, [0, 0, 1], tokenizer))
    limits = replace(LIMITS, drafts=False)  # whether guesses are made or not
    async with running_engine(broken, limits) as engine:
        asked = [engine.spans([told, [5] * 9]) for _ in range(20)]
        for found in await asyncio.gather(*asked, _ids(engine, [5, 6], 8)):
            if found and isinstance(found[0], list):
                assert found == [[Span(0, len(told), answers=3, topics=2)], []]
        assert await engine.spans([]) == []


async def test_the_worker_hears_a_number_of_whoever_asks_and_no_name(
    engine: WorkerEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[Message] = []
    send = Channel.send

    def noting(channel: Channel, message: Message) -> None:
        sent.append(message)
        send(channel, message)

    monkeypatch.setattr(Channel, "send", noting)
    for name in ("key:one", "key:other", "key:one"):
        asker.set(name)
        assert await engine.bits([5], [6]) > 0
    owners = [message["owner"] for message in sent if message["do"] == "score"]
    assert owners[0] == owners[2] != owners[1]
    assert "key" not in str(sent)


async def test_without_training_answers_no_spans_are_known(engine: WorkerEngine) -> None:
    assert await engine.spans([[5] * 9]) is None


async def test_a_worker_that_ends_while_it_loads_is_no_riddle(pair: Path) -> None:
    others = _processes()  # of servers that other tests share
    with closing(Workers(1)) as workers:
        [begun] = [each for each in _processes() if each not in others]
        begun.kill()
        with pytest.raises(CheckpointError, match="fine-tuned: its process ended"):
            await WorkerEngine.load(
                workers.connection(0),
                LIMITS,
                restart=lambda: workers.restart(0),
                **worker_settings(pair / "fine-tuned"),
            )


@pytest.mark.parametrize(
    "error", [GenerationFailed("a"), NotReady("b"), PromptTooLong("c"), QueueFull("d", 7)]
)
async def test_errors_arrive_as_they_were_sent(error: ServiceError) -> None:
    arrived = unpacked(packed(error))
    assert type(arrived) is type(error)
    assert str(arrived) == str(error)
    assert arrived.headers == error.headers


async def test_half_a_message_is_none() -> None:
    ours, theirs = socket.socketpair()
    channel = await Channel.over(ours)
    theirs.sendall(b'{"alive": true}\n{"tok')
    theirs.close()
    assert await channel.receive() == {"alive": True}
    assert await channel.receive() is None
    channel.close()
