"""The files that a zip archive or a directory holds, read within bounds.

What Macs add beside each file (`__MACOSX/`, `._name`) is passed over. Knows nothing about what
the files say.
"""

import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator
from lzma import LZMAError
from pathlib import Path, PurePosixPath

from training.errors import DataError

LARGEST_FILE_BYTES = 16 * 2**20
LARGEST_SUM_BYTES = 256 * 2**20
"""MedQuAD sevenfold; spaces zip a thousandfold."""

Wanted = Callable[[str], bool]


def members(
    source: Path, wanted: Wanted, largest_bytes: int = LARGEST_FILE_BYTES
) -> Iterator[tuple[str, bytes]]:
    """Yield the path, with "/" between folders, and the content of each file that is wanted.

    Raises:
        DataError: the source cannot be read or is damaged, or a file or all of them are too large.
    """
    left = LARGEST_SUM_BYTES
    for path, content in _read(source)(source, wanted, largest_bytes):
        left -= len(content)
        if left < 0:
            raise DataError(f"{source}: over {LARGEST_SUM_BYTES:,} bytes of XML is no MedQuAD")
        yield path, content


def names(source: Path) -> list[str]:
    """Return the paths of all files, in order.

    Raises:
        DataError: the source cannot be read.
    """
    found: list[str] = []

    def note(path: str) -> bool:
        found.append(path)
        return False

    for _ in _read(source)(source, note, 0):
        pass
    return sorted(found)


def _read(source: Path) -> Callable[[Path, Wanted, int], Iterator[tuple[str, bytes]]]:
    return _of_directory if source.is_dir() else _of_zip


def _of_directory(source: Path, wanted: Wanted, largest: int) -> Iterator[tuple[str, bytes]]:
    try:
        for path in source.rglob("*.*"):
            name = path.as_posix()
            if _packed_by_a_person(path.relative_to(source).parts) and wanted(name):
                _check_size(name, path.stat().st_size, largest)
                yield name, path.read_bytes()
    except OSError as error:
        raise DataError(f"{source}: not a readable directory: {error}") from error


def _of_zip(source: Path, wanted: Wanted, largest: int) -> Iterator[tuple[str, bytes]]:
    try:
        with zipfile.ZipFile(source) as archive:
            for entry in archive.infolist():
                name = entry.filename.replace("\\", "/")  # as some Windows programs pack
                if entry.is_dir() or not _packed_by_a_person(PurePosixPath(name).parts):
                    continue
                if wanted(name):
                    _check_size(name, entry.file_size, largest)
                    yield name, archive.read(entry)
    # RuntimeError: encrypted, or a compression that Python does not have.
    except (
        zipfile.BadZipFile,
        zlib.error,
        EOFError,
        LZMAError,
        OSError,
        OverflowError,
        RuntimeError,
        ValueError,
        struct.error,
    ) as error:
        raise DataError(f"{source}: not a readable zip archive: {error}") from error


def _packed_by_a_person(parts: tuple[str, ...]) -> bool:
    return bool(parts) and "__MACOSX" not in parts and not parts[-1].startswith(".")


def _check_size(name: str, size: int, largest: int) -> None:
    if size > largest:
        raise DataError(f"{name}: {size:,} bytes is no MedQuAD document")
