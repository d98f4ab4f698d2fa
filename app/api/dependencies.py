"""What routes need from the app: the service behind it."""

from typing import Annotated

from fastapi import Depends, Request

from app.serving import Service


def _service(request: Request) -> Service:
    service: Service = request.app.state.service
    return service


ServiceDependency = Annotated[Service, Depends(_service)]
