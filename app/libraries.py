"""Versions of what does the work, for those who ask what is served: of what is installed."""

import platform
from importlib.metadata import PackageNotFoundError, version

_NAMES = ("fastapi", "openvino", "torch", "transformers")


def libraries() -> dict[str, str]:
    """Return the version of Python and of each library that is there: a CPU needs no PyTorch."""
    found = {"python": platform.python_version()}
    for name in _NAMES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
