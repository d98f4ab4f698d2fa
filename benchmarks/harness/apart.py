"""A peer in a process of its own: its threads do not spin on the cores of whoever runs next.

Only one of them works at a time; the others wait for a message, which takes no core.
"""

import importlib
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import torch

from benchmarks.peers.contract import Case, Prompts, Unsupported


@contextmanager
def apart(peer: str, directory: Path, device: torch.device) -> Iterator[dict[str, Case]]:
    """Load the cases of module `peer` in another process, for as long as needed.

    Raises:
        ImportError: it is not installed.
        Unsupported: it cannot run on the device.

    """
    ours, theirs = get_context("spawn").Pipe()
    process = get_context("spawn").Process(
        target=_serve, args=(peer, directory, device, theirs, torch.get_num_threads()), daemon=True
    )
    process.start()
    theirs.close()
    try:
        sizes: dict[str, int] = _received(ours)
        yield {name: Case(partial(_asked, ours, name), size) for name, size in sizes.items()}
    finally:
        ours.close()
        process.join(timeout=10)
        process.kill()


def _received(connection: Connection) -> Any:
    found = connection.recv()
    if isinstance(found, Exception):
        raise found
    return found


def _asked(connection: Connection, name: str, prompts: Prompts, new_tokens: int) -> list[list[int]]:
    connection.send((name, prompts, new_tokens))
    answers: list[list[int]] = _received(connection)
    return answers


def _serve(
    peer: str, directory: Path, device: torch.device, connection: Connection, threads: int
) -> None:
    torch.set_num_threads(threads)
    try:
        cases = importlib.import_module(peer).cases(directory, device)
    except (ImportError, Unsupported) as error:
        connection.send(type(error)(str(error)))
        return
    connection.send({name: case.bytes_per_weight for name, case in cases.items()})
    try:
        while True:
            name, prompts, new_tokens = connection.recv()
            try:
                connection.send(cases[name].generate(prompts, new_tokens))
            except Exception as error:  # told to whoever asked
                connection.send(RuntimeError(f"{name}: {error}"))
    except EOFError:  # the benchmark is over
        for case in cases.values():
            case.close()
