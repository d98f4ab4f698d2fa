"""What routes need from the app: the service behind it."""

from typing import Annotated

from fastapi import Depends, Request

from app.answering.service import Service


async def _service(request: Request) -> Service:
    # A coroutine, though it waits for nothing: FastAPI would run a function in a thread, and the
    # hop there and back costs more than a refusal.
    service: Service = request.app.state.service
    return service


ServiceDependency = Annotated[Service, Depends(_service)]
