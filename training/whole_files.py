"""A file takes its name only when it is whole, so that none is ever left half-written."""

from pathlib import Path

from training.errors import DataError


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
        unfinished.unlink(missing_ok=True)
        raise DataError(f"{path} could not be written: {error}") from error
