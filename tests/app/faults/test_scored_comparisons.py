"""Scored comparisons against the largest references, sixteen at a time: nothing dies, memory holds.

`python -m benchmarks overload --scored` asks two hundred, and times ordinary answers beside them.
"""

import asyncio

import httpx
import pytest

from app.model_sources import DEMO
from benchmarks.harness.attacks import scored
from benchmarks.harness.servers import Served
from tests.app.faults.conftest import settled, started

pytestmark = pytest.mark.long

_CONTAINER_BYTES = 2 * 2**30  # of docker/compose.yaml
_COMPARISONS = 32


def test_scored_comparisons_stay_within_the_container() -> None:
    models = {
        "MEDQA_FINE_TUNED_MODEL": str(DEMO / "fine-tuned"),
        "MEDQA_BASE_MODEL": str(DEMO / "base"),
        "MEDQA_REQUEST_TIMEOUT_SECONDS": "300",  # on a machine that does other things too
        "MEDQA_QUEUE_TIMEOUT_SECONDS": "300",
        "MEDQA_STALL_SECONDS": "60",
    }
    with started(**models) as server:
        served = Served(httpx.URL(server.url), server.process.pid)
        processes = {server.process.pid, *(each.pid for each in server.workers())}
        siege = asyncio.run(scored(served, _COMPARISONS, 16))
        assert dict(siege.outcomes) == {"200": _COMPARISONS}
        assert siege.read == _COMPARISONS // 2  # the others are too long for the context
        assert siege.survivors == processes
        assert siege.peak_bytes < _CONTAINER_BYTES
        settled(server)
