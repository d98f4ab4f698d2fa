"""MedQuAD from GitHub at a pinned commit: resumable, with a progress bar, checked when whole.

Knows nothing about the archive's contents.
"""

from collections.abc import Callable
from pathlib import Path

import httpx
from tqdm import tqdm

from training.errors import DataError

COMMIT = "577bd37b96c02d1833b2c9eed2de9f96964e96cb"
URL = f"https://github.com/abachaa/MedQuAD/archive/{COMMIT}.zip"

_TIMEOUT_SECONDS = 30.0
_CHUNK_BYTES = 1 << 16


def download(url: str, to: Path, check: Callable[[Path], None]) -> Path:
    """Fetch `url` to the file `to`, unless it is there; return `to`.

    An interrupted transfer leaves `to` with a `.part` suffix and goes on from there next time.
    `check` raises when the whole file is not what was expected; it is then deleted.

    Raises:
        DataError: the network or the server failed, and how to go on without; or the disk did.

    """
    if to.is_file():
        return to
    part = to.with_name(f"{to.name}.part")
    try:
        to.parent.mkdir(parents=True, exist_ok=True)
        _fetch(url, part)
    except httpx.HTTPError as error:
        raise DataError(
            f"{url} could not be fetched ({type(error).__name__}: {error}). Run the command again "
            "to go on where it stopped, or download the archive by other means and pass it with "
            "--source."
        ) from error
    except OSError as error:
        raise DataError(f"{part} could not be written: {error}") from error
    try:
        check(part)
    except DataError:
        part.unlink()
        raise
    part.replace(to)
    return to


def _fetch(url: str, part: Path) -> None:
    """Append to `part` what is missing of it."""
    have = part.stat().st_size if part.exists() else 0
    headers = {"Accept-Encoding": "identity"}  # ranges count the archive's own bytes
    if have:
        headers["Range"] = f"bytes={have}-"
    with httpx.stream(
        "GET", url, headers=headers, follow_redirects=True, timeout=_TIMEOUT_SECONDS
    ) as response:
        restart = have and _is_of_another_file(response, have)
        if not restart:
            _append(response, part, have)
    if restart:
        part.unlink()
        _fetch(url, part)


def _is_of_another_file(response: httpx.Response, have: int) -> bool:
    """Whether the answer to a range (RFC 9110, 14.4) does not continue `have` bytes."""
    said = response.headers.get("content-range")
    if said is None:
        return False  # `check` has the last word
    if response.status_code == httpx.codes.REQUESTED_RANGE_NOT_SATISFIABLE:
        return bool(said != f"bytes */{have}")
    partial = response.status_code == httpx.codes.PARTIAL_CONTENT
    return partial and not said.startswith(f"bytes {have}-")


def _append(response: httpx.Response, part: Path, have: int) -> None:
    """Write the response's body to `part`, after the `have` bytes if it continues them."""
    if have and response.status_code == httpx.codes.REQUESTED_RANGE_NOT_SATISFIABLE:
        return  # `part` is already whole; `check` has the last word
    response.raise_for_status()
    resumed = response.status_code == httpx.codes.PARTIAL_CONTENT
    size = response.headers.get("content-length")
    with (
        part.open("ab" if resumed else "wb") as file,
        tqdm(
            desc="MedQuAD",
            initial=have if resumed else 0,
            total=int(size) + (have if resumed else 0) if size else None,
            unit="B",
            unit_scale=True,
        ) as progress,
    ):
        for chunk in response.iter_bytes(_CHUNK_BYTES):
            file.write(chunk)
            progress.update(len(chunk))
