"""The engine: same tokens as `generate()`, whatever else is in the batch; places freed; limits."""

import asyncio
import math
import threading
from contextlib import aclosing
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch

from app.engine.admission import Limits
<<<<<<< HEAD
from app.engine.checkpoint import Checkpoint, load
from app.engine.interface import Decoding
=======
from app.engine.checkpoint import Checkpoint, Source, load
from app.engine.interface import Decoding
>>>>>>> 538acbe (The engine's own step loop: requests, budgets, blocks, whole-batch sampling, seeds and lossless drafts, tested over a fake model)
from app.engine.generation import BatchingEngine
from app.engine.interface import Source, Token
from app.engine.no_repeat import inside_words
from app.errors import GenerationFailed, NotReady, PromptTooLong, QueueFull
from tests.app.conftest import generated
from tests.conftest import CONTEXT_TOKENS

PROMPTS = [[5, 9, 17], [33, 8, 120, 64, 31, 7], [250, 3], [61] * 30]


async def _generate(engine: BatchingEngine, prompt: list[int], decoding: Decoding) -> list[Token]:
    async with aclosing(engine.generate(prompt, decoding)) as tokens:
        return [token async for token in tokens]


async def _ids(engine: BatchingEngine, prompt: list[int], **decoding: float) -> list[int]:
    tokens = await _generate(engine, prompt, Decoding(max_new_tokens=12, **decoding))  # type: ignore[arg-type]
    return [token.id for token in tokens]


async def test_alone_and_in_a_batch_as_generate(engine: BatchingEngine) -> None:
    expected = [generated(engine.checkpoint, prompt, 12) for prompt in PROMPTS]
    alone = [await _ids(engine, prompt) for prompt in PROMPTS]
    together = await asyncio.gather(*(_ids(engine, prompt) for prompt in PROMPTS))
    assert alone == expected
    assert together == expected


async def test_sampled_neighbours_do_not_change_a_greedy_answer(engine: BatchingEngine) -> None:
    expected = generated(engine.checkpoint, PROMPTS[0], 12)
    greedy, *_ = await asyncio.gather(
        _ids(engine, PROMPTS[0]), *(_ids(engine, prompt, temperature=1.5) for prompt in PROMPTS[1:])
    )
    assert greedy == expected


async def test_sampling_narrowed_to_one_token_is_greedy(engine: BatchingEngine) -> None:
    expected = generated(engine.checkpoint, PROMPTS[0], 12)
    assert await _ids(engine, PROMPTS[0], temperature=2.0, top_k=1) == expected
    assert await _ids(engine, PROMPTS[0], temperature=2.0, top_p=1e-9) == expected
    for temperature in (5e-324, 1e-40, 1e-6):  # divisors that overflow
        assert await _ids(engine, PROMPTS[0], temperature=temperature) == expected


async def test_sampling_varies(engine: BatchingEngine) -> None:
    answers = await asyncio.gather(*(_ids(engine, PROMPTS[0], temperature=2.0) for _ in range(4)))
    assert len({tuple(answer) for answer in answers}) > 1


async def test_nothing_comes_twice_under_the_guard(engine: BatchingEngine) -> None:
    free, guarded, neighbour = await asyncio.gather(
        _generate(engine, PROMPTS[0], Decoding(60)),
        _generate(engine, PROMPTS[0], Decoding(60, no_repeat_ngram_size=2)),
        _generate(engine, PROMPTS[1], Decoding(60, temperature=0.3, no_repeat_ngram_size=2)),
    )

    inside = inside_words(engine.checkpoint.tokenizer)

    def pairs(tokens: list[Token]) -> list[tuple[int, int]]:
        ids = [token.id for token in tokens]
        return [pair for pair in pairwise(ids) if pair[1] not in inside]

    assert len(set(pairs(free))) < len(pairs(free)), "the tiny model does repeat itself"
    for tokens in (guarded, neighbour):
        assert len(tokens) == 60
        assert len(set(pairs(tokens))) == len(pairs(tokens))
    assert [token.id for token in free[:12]] == generated(engine.checkpoint, PROMPTS[0], 12)


async def test_last_token_says_how_the_answer_ended(engine: BatchingEngine) -> None:
    tokens = await _generate(engine, PROMPTS[0], Decoding(max_new_tokens=3))
    assert [token.last for token in tokens] == [False, False, True]
    assert not tokens[-1].ended
    assert all(token.queue_seconds >= 0 for token in tokens)


async def test_the_end_token_ends_the_answer(pair: Path) -> None:
    checkpoint = load(Source(str(pair / "fine-tuned")), torch.device("cpu"), torch.float32)
    second = generated(checkpoint, PROMPTS[0], 12)[1]
    checkpoint.tokenizer.eos_token_id = second
    engine = BatchingEngine(checkpoint, Limits(1, 0, 64))
    engine.start()
    try:
        tokens = await _generate(engine, PROMPTS[0], Decoding(max_new_tokens=12))
    finally:
        engine.stop()
    assert tokens[-1].id == second
    assert tokens[-1].ended
    assert tokens[-1].last


async def test_an_answer_is_cut_to_the_context(engine: BatchingEngine) -> None:
    prompt = [5] * (CONTEXT_TOKENS - 3)
    assert len(await _generate(engine, prompt, Decoding(max_new_tokens=50))) <= 3


async def test_a_prompt_that_fills_the_context_is_refused(engine: BatchingEngine) -> None:
    with pytest.raises(PromptTooLong, match=f"{CONTEXT_TOKENS} tokens"):
        await _generate(engine, [5] * CONTEXT_TOKENS, Decoding(max_new_tokens=1))


async def test_a_full_queue_refuses_and_recovers(engine: BatchingEngine) -> None:
    running = [
        asyncio.create_task(_generate(engine, [5, 6], Decoding(max_new_tokens=100)))
        for _ in range(6)
    ]
    await asyncio.sleep(0)
    with pytest.raises(QueueFull, match="All 6 places"):
        await _generate(engine, [5], Decoding(max_new_tokens=1))
    await asyncio.gather(*running)
    assert await _generate(engine, [5], Decoding(max_new_tokens=1))


def _steps_to_first_token(engine: BatchingEngine, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Return a list that gets the decode steps from the next request's arrival to its first token.

    Counted where they are made: on a busy machine this loop learns of a token steps later.
    """
    steps: list[int] = []
    manager = engine._manager
    router, add = manager.output_router, manager.add_request
    deliver = router.deliver_batch
    arrived: dict[str, int] = {}

    def adding(*arguments: Any, **named: Any) -> Any:
        arrived[named["request_id"]] = manager.current_batch
        return add(*arguments, **named)

    def delivering(outputs: list[Any]) -> None:
        steps.extend(
            manager.current_batch - arrived.pop(output.request_id)
            for output in outputs
            if output.request_id in arrived and output.generated_tokens
        )
        deliver(outputs)

    monkeypatch.setattr(manager, "add_request", adding)
    monkeypatch.setattr(router, "deliver_batch", delivering)
    return steps


async def test_a_short_question_does_not_wait_for_long_answers(
    fine_tuned: Checkpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = BatchingEngine(fine_tuned, Limits(max_running=17, max_waiting=0, max_batch_tokens=64))
    engine.start()
    try:
        streams = [engine.generate([5, number], Decoding(110)) for number in range(16)]
        for stream in streams:
            await anext(stream)
        steps = _steps_to_first_token(engine, monkeypatch)
        async with aclosing(engine.generate([61] * 40, Decoding(5))) as tokens:
            await anext(tokens)
        assert 1 <= steps[0] <= 5
        for stream in streams:
            await stream.aclose()
    finally:
        engine.stop()


async def test_closing_a_stream_frees_its_place(engine: BatchingEngine) -> None:
    for _ in range(30):
        async with aclosing(engine.generate([5, 6], Decoding(max_new_tokens=100))) as tokens:
            await anext(tokens)
    assert engine.in_flight == 0
    assert await _ids(engine, PROMPTS[0]) == generated(engine.checkpoint, PROMPTS[0], 12)
    scheduler = engine._manager.batch_processor.scheduler  # type: ignore[union-attr]
    assert not scheduler.active_requests
    assert not scheduler.waiting_requests
    assert not engine._manager.output_router.result_handlers


async def test_a_dying_thread_fails_its_answers(
    engine: BatchingEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def explode(*_: object, **__: object) -> None:
        raise RuntimeError("a kernel failed at 0xdead")

    async with aclosing(engine.generate([5, 6], Decoding(max_new_tokens=100))) as tokens:
        await anext(tokens)
        monkeypatch.setattr(engine.checkpoint.model, "forward", explode)
        with pytest.raises(GenerationFailed) as caught:
            async for _ in tokens:
                pass
    assert "0xdead" not in str(caught.value)
    await asyncio.sleep(0.2)
    assert not engine.alive
    with pytest.raises(NotReady):
        await _generate(engine, [5], Decoding(max_new_tokens=1))


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB"),
        RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 2 GiB"),
        MemoryError("2 GiB"),
    ],
)
async def test_a_step_without_memory_fails_its_answers_and_no_others(
    engine: BatchingEngine, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    forward, left = engine.checkpoint.model.forward, [1]

    def short_of_memory(*arguments: Any, **named: Any) -> Any:
        if left:
            left.pop()
            raise error
        return forward(*arguments, **named)

    async with aclosing(engine.generate([5, 6], Decoding(max_new_tokens=100))) as tokens:
        await anext(tokens)
        monkeypatch.setattr(engine.checkpoint.model, "forward", short_of_memory)
        with pytest.raises(GenerationFailed) as caught:
            async for _ in tokens:
                pass
    assert "GiB" not in str(caught.value)
    assert engine.alive
    assert engine.in_flight == 0
    left.append(1)
    with pytest.raises(GenerationFailed):
        await engine.bits([5, 9], [33])
    assert await _ids(engine, PROMPTS[0]) == generated(engine.checkpoint, PROMPTS[0], 12)


async def test_a_stuck_thread_fails_its_answers_and_may_come_back(
    pair: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkpoint = load(Source(str(pair / "fine-tuned")), torch.device("cpu"), torch.float32)
    engine = BatchingEngine(checkpoint, Limits(4, 2, 64, stall_seconds=0.5))
    engine.start()
    forward, stuck = checkpoint.model.forward, threading.Event()

    def wait(*arguments: Any, **named: Any) -> Any:
        stuck.wait()
        return forward(*arguments, **named)

    try:
        expected = await _ids(engine, PROMPTS[0])
        async with aclosing(engine.generate([5, 6], Decoding(max_new_tokens=100))) as tokens:
            await anext(tokens)
            monkeypatch.setattr(checkpoint.model, "forward", wait)
            with pytest.raises(GenerationFailed):
                async for _ in tokens:
                    pass
        assert not engine.alive
        stuck.set()
        assert await _ids(engine, PROMPTS[0]) == expected
        assert engine.alive
    finally:
        stuck.set()
        engine.stop()


async def test_retry_after_follows_the_pace_of_late(engine: BatchingEngine) -> None:
    async def refusal() -> int:
        running = [
            asyncio.create_task(_generate(engine, [5, 6], Decoding(max_new_tokens=100)))
            for _ in range(6)
        ]
        await asyncio.sleep(0)
        with pytest.raises(QueueFull) as caught:
            await _generate(engine, [5], Decoding(max_new_tokens=1))
        await asyncio.gather(*running)
        return int(caught.value.headers["Retry-After"])

    for _ in range(100):
        engine.places.note(30.0)
    assert await refusal() == 15  # two wait for four places of 30 s
    for _ in range(100):
        engine.places.note(0.1)
    assert await refusal() == 1


async def test_bits_are_the_information_in_the_continuation(engine: BatchingEngine) -> None:
    prompt, continuation = [5, 9, 17], [33, 8, 120]
    with torch.inference_mode():
        logits = engine.checkpoint.model(torch.tensor([prompt + continuation])).logits[0]
    expected = -sum(
        float(logits[len(prompt) - 1 + place].log_softmax(-1)[token])
        for place, token in enumerate(continuation)
    ) / math.log(2)
    assert await engine.bits(prompt, continuation) == pytest.approx(expected, rel=1e-4)
    with pytest.raises(PromptTooLong):
        await engine.bits([5], [6] * CONTEXT_TOKENS)
