"""Our engine without HTTP: a model in a process of its own, as the app runs it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from functools import partial
from pathlib import Path

from app.engine.admission import Limits
from app.engine.client import WorkerEngine
from app.engine.processes import Workers


@asynccontextmanager
async def running(
    directory: Path, limits: Limits, *, device: str = "cpu", dtype: str = "auto", threads: int = 0
) -> AsyncIterator[WorkerEngine]:
    """Run the model of a directory until the context ends."""
    with closing(Workers(1)) as workers:
        engine = await WorkerEngine.load(
            workers.connection(0),
            limits,
            restart=partial(workers.restart, 0),
            source=str(directory),
            revision=None,
            device=device,
            dtype=dtype,
            cpu_threads=threads,
            log_level="warning",
            log_format="text",
        )
        try:
            yield engine
        finally:
            engine.stop()
