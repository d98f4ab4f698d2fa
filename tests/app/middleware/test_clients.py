"""One client cannot hold what another waits for: by key, or by address where there are none."""

import asyncio
import hashlib
from collections.abc import AsyncGenerator

import httpx
import pytest

from app.answering.answer import ModelName
from app.engine.admission import Admission, Limits
from app.engine.checkpoint import Checkpoint
from app.engine.interface import Decoding, Token
from app.main import create_app
from app.settings import Settings
from tests.app.conftest import FakeEngine, client_of

LIMITS = Limits(max_running=2, max_waiting=2, max_batch_tokens=64)
QUESTION = {"question": "What is asthma?"}
DIGESTS = ",".join(
    f"{name}:{hashlib.sha256(name.encode()).hexdigest()}" for name in ("alice", "bob")
)


class _Crowded(FakeEngine):
    """Has few places, and holds each until it is told that the answers may end."""

    def __init__(self, checkpoint: Checkpoint) -> None:
        super().__init__(checkpoint, "A disease.", end=True)
        self.limits = LIMITS
        self.admission = Admission(LIMITS)
        self.may_end = asyncio.Event()

    def require_place(self) -> None:
        self.admission.require()

    async def generate(self, prompt_ids: list[int], decoding: Decoding) -> AsyncGenerator[Token]:
        with self.admission.held():
            await self.may_end.wait()
            async for token in super().generate(prompt_ids, decoding):
                yield token


@pytest.mark.parametrize(
    ("greedy", "other"),
    [
        ({"Authorization": "Bearer alice"}, {"Authorization": "Bearer bob"}),
        ({"X-Forwarded-For": "192.0.2.1"}, {"X-Forwarded-For": "192.0.2.2"}),
    ],
    ids=["keys", "addresses"],
)
async def test_whoever_came_first_shuts_out_nobody(
    fine_tuned: Checkpoint, base: Checkpoint, greedy: dict[str, str], other: dict[str, str]
) -> None:
    engine = _Crowded(fine_tuned)
    engine.may_end.set()  # for the warm-up
    keys = DIGESTS if "Authorization" in greedy else ""
    settings = Settings(_env_file=None, trusted_proxies="*", api_keys=keys)
    engines: dict[ModelName, FakeEngine] = {"fine-tuned": engine, "base": FakeEngine(base, "The")}
    async with client_of(create_app(settings, engines)) as client:
        engine.may_end.clear()

        def ask(headers: dict[str, str]) -> asyncio.Task[httpx.Response]:
            return asyncio.create_task(client.post("/answer", json=QUESTION, headers=headers))

        tasks = [ask(greedy) for _ in range(4)]
        await _until(engine, 4)
        tasks.append(ask(other))
        await _until(engine, 5)
        refused = await ask(greedy)
        assert refused.status_code == 429
        assert "Others wait" in refused.json()["detail"]
        engine.may_end.set()
        assert [(await task).status_code for task in tasks] == [200] * 5
    assert engine.admission.taken == 0


async def _until(engine: _Crowded, taken: int) -> None:
    async with asyncio.timeout(10):
        while engine.admission.taken != taken:  # noqa: ASYNC110 - a count, as for any client
            await asyncio.sleep(0.005)
