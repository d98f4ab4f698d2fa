"""What a run came from: versions, code and data, so that its result can be made again."""

import hashlib
import platform
import subprocess
from importlib.metadata import version
from pathlib import Path
from typing import Any

_PACKAGES = ("torch", "transformers", "accelerate", "tokenizers", "pandas")


def provenance(data_file: Path) -> dict[str, Any]:
    """Return library versions, the code's git revision and the digest of the data.

    The revision is None outside a git checkout; it ends in `-dirty` where files were changed.
    """
    with data_file.open("rb") as content:
        digest = hashlib.file_digest(content, "sha256").hexdigest()
    return {
        "versions": {"python": platform.python_version()}
        | {name: version(name) for name in _PACKAGES},
        "revision": _revision(),
        "data": {"file": data_file.name, "sha256": digest},
    }


def base_name(base: str) -> str:
    """Return a base's hub id, or its directory's name: where that lies is this machine's affair."""
    path = Path(base).expanduser()
    return path.resolve().name if path.is_dir() or path.is_absolute() else base


def _revision() -> str | None:
    try:
        described = subprocess.run(
            ["git", "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"],  # noqa: S607
            cwd=Path(__file__).parent,
            capture_output=True,
            text=True,
            check=True,
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return described.stdout.strip()
