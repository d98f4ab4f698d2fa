"""`python -m app`: read the settings and serve."""

import logging
import signal
import sys

import uvicorn
from pydantic import ValidationError

from app import logs
from app.main import create_app, sources
from app.settings import DEMO, Settings

logger = logging.getLogger("app")


def main() -> int:
    """Serve until told to stop; return 1 when the service could not start, 2 on bad settings."""
    try:
        settings = Settings()
    except ValidationError as error:
        for item in error.errors():
            name = "_".join(str(part) for part in item["loc"])
            print(f"error: MEDQA_{name.upper()}: {item['msg']}", file=sys.stderr)
        return 2
    logs.configure(settings.log_level, settings.log_format)
    for model, source in sources(settings).items():
        logger.info("%s: %s", model, source.name)
    if sources(settings)["fine-tuned"].name == str(DEMO / "fine-tuned"):
        logger.warning("this is the demo pair: small models to try the service with")
    failures: list[str] = []

    def stop() -> None:
        failures.append("start")
        server.should_exit = True

    server = uvicorn.Server(
        uvicorn.Config(
            create_app(settings, on_failure=stop),
            host=settings.host,
            port=settings.port,
            log_level=settings.log_level,
            log_config=None,
            access_log=False,  # `logs` has a line of its own for each request
            timeout_graceful_shutdown=settings.drain_seconds,
        )
    )
    for stopping in (signal.SIGTERM, signal.SIGINT):
        # Uvicorn drains on a signal and then raises it again; stopping when told is no failure.
        signal.signal(stopping, lambda *_: None)
    server.run()
    return 1 if failures or not server.started else 0


if __name__ == "__main__":
    sys.exit(main())
