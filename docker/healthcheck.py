"""The image's HEALTHCHECK: exits with 0 while the service in this container accepts questions."""

import os
import sys
from http.client import HTTPConnection, HTTPException

_TIMEOUT_SECONDS = 4.0


def main() -> int:
    """Ask /readyz on the port that the service was told to listen on."""
    port = int(os.environ.get("MEDQA_PORT") or "8000")  # empty is unset, as for the service
    connection = HTTPConnection("127.0.0.1", port, timeout=_TIMEOUT_SECONDS)
    try:
        connection.request("GET", "/readyz")
        response = connection.getresponse()
        print(response.status, response.read().decode())
    except (OSError, HTTPException) as error:
        print(f"not reached: {error}")
        return 1
    else:
        return int(response.status != 200)


if __name__ == "__main__":
    sys.exit(main())
