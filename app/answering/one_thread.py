"""One thread for what takes the interpreter for milliseconds, so that the event loop goes on.

One and no more: threads that compute take the interpreter's lock in turns with the event loop, and
six of them leave it a seventh. Knows nothing about what is read.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

_THREAD = ThreadPoolExecutor(1, thread_name_prefix="reading")

Given = ParamSpec("Given")
Result = TypeVar("Result")


async def beside(
    work: Callable[Given, Result], *given: Given.args, **named: Given.kwargs
) -> Result:
    """Return what `work` returns, done in turn with all else that is done here."""
    loop = asyncio.get_running_loop()
    return await loop.run_in_executor(_THREAD, lambda: work(*given, **named))
