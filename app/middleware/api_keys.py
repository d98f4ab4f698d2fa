"""API keys at rest: names and SHA-256 digests, parsed from a setting or a mounted file.

Knows nothing about HTTP. A plain SHA-256 fits because keys are long and random: slow, salted
hashes protect passwords, which can be guessed; 32 random bytes cannot.
"""

import re
from pathlib import Path
from typing import NamedTuple

_ENTRY = re.compile(r"(?:(?P<name>[A-Za-z0-9._-]{1,64}):)?(?P<digest>[0-9A-Fa-f]{64})")
_NAME_CHARACTERS = 8  # of the digest, for a key without a name


class ApiKey(NamedTuple):
    """Who holds a key, for logs, metrics and the rate limit, and the key's digest in hex."""

    name: str
    digest: str


def parse_key(entry: str) -> ApiKey:
    """Return the key that `digest` or `name:digest` describes.

    Raises:
        ValueError: it is neither; the message never repeats it, as it may be a key in plain text.

    """
    found = _ENTRY.fullmatch(entry)
    if not found:
        raise ValueError(
            "not a SHA-256 digest (64 hex digits), alone or as name:digest. A key itself does not "
            'belong here; its digest is what `printf %s "$KEY" | sha256sum` prints'
        )
    digest = found["digest"].lower()
    return ApiKey(found["name"] or digest[:_NAME_CHARACTERS], digest)


def read_keys(file: Path) -> list[ApiKey]:
    """Return the keys of a file with one per line; `#` begins a comment.

    Raises:
        ValueError: it cannot be read, a line is malformed, or it holds no key at all, which
            must not mean that everyone may come in.

    """
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
        raise ValueError(f"{file} cannot be read: {reason}") from None
    keys = []
    for number, line in enumerate(lines, start=1):
        entry = line.partition("#")[0].strip()
        if not entry:
            continue
        try:
            keys.append(parse_key(entry))
        except ValueError as error:
            raise ValueError(f"{file}, line {number}: {error}") from None
    if not keys:
        raise ValueError(f"{file} holds no key")
    return keys
