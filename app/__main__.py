"""`python -m app`: serve the pair of models; `python -m app check`: see that they compute right."""

import sys
from collections.abc import Sequence
from contextlib import closing

from app.engine.processes import Workers


def main(arguments: Sequence[str] = ()) -> int:
    """Serve until told to stop, or do what the first argument names; return the exit status."""
    if list(arguments[:1]) == ["check"]:
        from app import check

        return check.main(list(arguments[1:]))
    if arguments:
        print(f"error: {arguments[0]!r} is no command: `check`, or none to serve", file=sys.stderr)
        return 2
    with closing(Workers(2)) as workers:
        from app.server import serve

        return serve(workers)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
