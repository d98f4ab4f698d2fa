"""What a file is by its first bytes, whatever its name says: gzipped, or no text at all.

Knows nothing about tables.
"""

import gzip
import io
import zlib

from training.errors import DataError

_BY_CONTENT = (
    (b"PK\x03\x04", "an Excel workbook or a zip archive"),
    (b"\xd0\xcf\x11\xe0", "an old Excel workbook"),
    (b"%PDF", "a PDF"),
    (b"PAR1", "a Parquet file"),
    (b"SQLite format 3", "a database"),
    (b"version https://git-lfs", "a pointer of Git LFS, which `git lfs pull` follows"),
    (b"<!DOCTYPE", "a web page"),
    (b"<!doctype", "a web page"),
    (b"<html", "a web page"),
)
_GZIP = b"\x1f\x8b"
_LARGEST_BYTES = 256 * 2**20  # MedQuAD sevenfold; spaces zip a thousandfold


def unpacked(name: str, content: bytes) -> bytes:
    """Return a file's content without gzip's compression, whatever its name says of it.

    Raises:
        DataError: it is damaged, or of absurd size.
    """
    if not content.startswith(_GZIP):
        return content
    try:
        with gzip.open(io.BytesIO(content)) as file:
            content = file.read(_LARGEST_BYTES + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{name}: not a readable gzip file: {error}") from error
    if len(content) > _LARGEST_BYTES:
        raise DataError(f"{name}: over {_LARGEST_BYTES:,} bytes is no table of questions")
    return content


def check_text(name: str, content: bytes) -> None:
    """Refuse a file that is something else than a text, by what it is.

    Raises:
        DataError: it is.
    """
    for beginning, kind in _BY_CONTENT:
        if content.startswith(beginning):
            raise DataError(f"{name}: by its content it is {kind}; save the table as CSV in UTF-8")
