"""A file takes its name only when it is whole, so that none is ever left half-written."""

import os
from contextlib import suppress
from pathlib import Path

from training.errors import DataError


def make_directory(directory: Path) -> None:
    """Make a directory, and those above it.

    Raises:
        DataError: it cannot be made, or not be written to.
    """
    try:
        directory.mkdir(parents=True, exist_ok=True)
        if not os.access(directory, os.W_OK):
            raise PermissionError(f"no permission to write to {directory}")
    except OSError as error:
        raise DataError(f"{directory} could not be written: {error}") from error


def write_whole(path: Path, content: bytes) -> None:
    """Write a file, and the directories above it.

    Raises:
        DataError: it cannot be written, a full disk say.
    """
    unfinished = path.with_name(f".{path.name}.unfinished")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        unfinished.write_bytes(content)
        unfinished.replace(path)
    except OSError as error:
        with suppress(OSError):
            unfinished.unlink(missing_ok=True)
        raise DataError(f"{path} could not be written: {error}") from error
