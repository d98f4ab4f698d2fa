"""The server's process: read the settings, serve, stop with the right exit status."""

import logging
import math
import os
import signal
import sys
import time
from types import FrameType

import uvicorn
from dotenv import dotenv_values
from pydantic import ValidationError

from app import logs
from app.connections import ConnectionLimits, bounded_by
from app.engine.processes import Workers
from app.main import create_app
from app.model_sources import DEMO, sources
from app.setting_names import misspelled
from app.settings import Settings

logger = logging.getLogger("app")

_LOCKS = {"MEDQA_API_KEYS", "MEDQA_API_KEYS_FILE"}
_SWITCH_SECONDS = 0.001
"""Longest that a thread which computes keeps the event loop waiting each time: Python's own 0.005
adds up to a tenth of a second for one request."""


def serve(workers: Workers) -> int:
    """Serve until told to stop, the models in these processes.

    Returns:
        0 when told to stop, 1 when the service could not start or a model failed, 2 on bad
        settings.

    """
    try:
        settings = _read_settings()
    except ValueError as error:
        print(error, file=sys.stderr)
        return 2
    logs.configure(settings.log_level, settings.log_format)
    for model, source in sources(settings).items():
        logger.info("%s: %s", model, source.name)
    if sources(settings)["fine-tuned"].name == str(DEMO / "fine-tuned"):
        logger.warning("this is the demo pair: small models to try the service with")
    logger.info(
        "%s; %s",
        "only holders of an API key may ask"
        if settings.api_keys or settings.api_keys_file
        else "anybody may ask: no API keys are set",
        f"rate limit {settings.rate_limit}" if settings.rate_limit else "no rate limit",
    )
    sys.setswitchinterval(_SWITCH_SECONDS)
    server = Server(settings, workers)
    for stopping in (signal.SIGTERM, signal.SIGINT):
        # Uvicorn drains on a signal and then raises it again; stopping when told is no failure.
        signal.signal(stopping, lambda *_: None)
    signal.signal(signal.SIGHUP, server.handle_exit)  # a terminal that closes tells it like SIGTERM
    try:  # first: a port in use is told before models are loaded
        listening = server.config.bind_socket()
    except SystemExit:  # uvicorn's own way, with a status of its own; it has said why
        logger.error(
            "cannot listen on port %d of %s: set MEDQA_PORT to another, or MEDQA_HOST",
            settings.port,
            settings.host,
        )
        return 1
    server.run(sockets=[listening])
    if server.failed:
        return 1
    return 0 if server.started else 1


class Server(uvicorn.Server):
    """Uvicorn, stopped by a failure too, and not ready from the moment that it is told to stop."""

    def __init__(self, settings: Settings, workers: Workers | None = None) -> None:
        self.failed = False
        self._drain_seconds = settings.drain_seconds
        self._drained_at: float | None = None
        connections = ConnectionLimits.within_descriptors(
            settings.receive_timeout_seconds, settings.send_timeout_seconds
        )
        self._app = create_app(settings, on_failure=self._fail, workers=workers)
        super().__init__(
            uvicorn.Config(
                self._app,
                host=settings.host,
                port=settings.port,
                log_level=settings.log_level,
                log_config=None,
                access_log=False,  # `logs` has a line of its own for each request
                timeout_graceful_shutdown=settings.drain_seconds,
                timeout_keep_alive=settings.keep_alive_seconds,
                # By name, so that what runs does not turn on which other packages are installed.
                http=bounded_by(connections),
                backlog=connections.backlog,
                h11_max_incomplete_event_size=settings.max_header_bytes,
                loop="asyncio",
                ws="none",
                proxy_headers=bool(settings.trusted_proxies) and not settings.trusts_every_proxy,
                forwarded_allow_ips=settings.trusted_proxies,
                root_path=settings.root_path,
            )
        )

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Begin to drain; told again, stop at once.

        Connections are taken on until the running answers are done: whoever looks at `/readyz`, or
        still asks, hears 503 instead of a refused connection.
        """
        self._app.state.service.step = "draining"
        if self._drained_at is not None or not self.started:
            self.config.timeout_graceful_shutdown = 0
            super().handle_exit(sig, frame)
            return
        self._drained_at = time.monotonic() + self._drain_seconds

    async def on_tick(self, counter: int) -> bool:
        """Return whether to stop: told so, and nothing is running any more or for too long."""
        if self._drained_at is not None:
            left = self._drained_at - time.monotonic()
            if left <= 0 or not self.server_state.tasks:
                self.config.timeout_graceful_shutdown = max(0, math.ceil(left))
                return True
        return await super().on_tick(counter)

    def _fail(self) -> None:
        self.failed = True
        self.should_exit = True


def _read_settings() -> Settings:
    """Return the settings; raise ValueError with a line for each that is wrong or misspelled."""
    try:
        settings = Settings()
    except ValidationError as error:
        wrong = [_complaint(item["loc"], item["msg"]) for item in error.errors()]
        raise ValueError("\n".join(f"error: {each}" for each in wrong)) from None
    given = {**dotenv_values(".env"), **os.environ}
    complaints = misspelled(given, Settings.model_fields)
    for name, value in given.items():
        # Empty is unset elsewhere, but a lock must not open by it.
        if name.upper() in _LOCKS and not value:
            complaints.append(f"{name}: is set but empty; leave it out to let anybody ask")
    if complaints:
        raise ValueError("\n".join(f"error: {each}" for each in complaints))
    return settings


def _complaint(location: tuple[int | str, ...], message: str) -> str:
    """Name the variable, the entry where it is a list, and what is wrong; never the value."""
    message = message.removeprefix("Value error, ")
    if not location:  # the message is about more than one, and names them itself
        return message
    entry = f", entry {location[-1] + 1}" if isinstance(location[-1], int) else ""
    return f"MEDQA_{str(location[0]).upper()}{entry}: {message}"
