"""Print what pyproject.toml requires, with the extras named: `requirements.py FILE [EXTRA,…]`.

So an image installs its dependencies before, and apart from, the code that changes every day.
"""

import sys
import tomllib
from pathlib import Path


def requirements(pyproject: Path, extras: list[str]) -> list[str]:
    """Return the requirements of the project and of its extras.

    Raises:
        KeyError: there is no such extra.

    """
    project = tomllib.loads(pyproject.read_text(encoding="utf-8"))["project"]
    optional = project["optional-dependencies"]
    return [*project["dependencies"], *(line for extra in extras for line in optional[extra])]


if __name__ == "__main__":
    chosen = sys.argv[2].split(",") if sys.argv[2:] and sys.argv[2] else []
    print("\n".join(requirements(Path(sys.argv[1]), chosen)))
