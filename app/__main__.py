"""`python -m app`: serve the pair of models."""

import sys
from contextlib import closing

from app.engine.processes import Workers


def main() -> int:
    """Serve until told to stop; see `server.serve` for what it returns."""
    with closing(Workers(2)) as workers:
        from app.server import serve

        return serve(workers)


if __name__ == "__main__":
    sys.exit(main())
