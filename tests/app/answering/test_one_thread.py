"""What takes the interpreter is done in one other thread, in turn, and the event loop goes on."""

import asyncio
import threading

import pytest

from app.answering.one_thread import beside


async def test_one_after_another_and_never_on_the_event_loop() -> None:
    going_on, most, threads = 0, 0, set()
    counting = threading.Lock()

    def read(number: int) -> int:
        nonlocal going_on, most
        with counting:
            going_on += 1
            most = max(most, going_on)
            threads.add(threading.get_ident())
        threading.Event().wait(0.01)
        with counting:
            going_on -= 1
        return number * 2

    assert await asyncio.gather(*(beside(read, number) for number in range(5))) == [0, 2, 4, 6, 8]
    assert most == 1
    assert threads
    assert threading.get_ident() not in threads


async def test_what_fails_there_fails_here() -> None:
    with pytest.raises(ZeroDivisionError):
        await beside(lambda: 1 // 0)
