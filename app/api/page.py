"""GET /, /docs and /web/…: the pages' files, revalidated by their ETag at every visit.

Knows nothing about what is in them. Their links are relative, so that they work under any prefix.
Swagger UI's come from a package, as no page of ours loads anything from another site.
"""

import mimetypes
from http import HTTPStatus
from pathlib import Path

from fastapi import APIRouter, HTTPException, Request, Response
from fastapi.staticfiles import StaticFiles
from fastapi_swagger import resources as swagger_ui

from app.middleware.route_policy import DOCUMENTATION

WEB = Path(__file__).resolve().parents[1] / "web"

# Browsers run no module of another type, and what an operating system's own table says varies.
mimetypes.add_type("text/javascript", ".js")

_files = StaticFiles(directory=WEB)
_swagger_ui = StaticFiles(directory=swagger_ui.__path__[0])
router = APIRouter()


@router.api_route("/web/swagger-ui/{name}", methods=["GET", "HEAD"], include_in_schema=False)
async def swagger_ui_file(name: str, request: Request) -> Response:
    """Return one of the two files that the documentation needs, of all that the package has."""
    if name not in ("swagger-ui-bundle.js", "swagger-ui.css"):
        raise HTTPException(HTTPStatus.NOT_FOUND)
    return await _swagger_ui.get_response(name, request.scope)


router.mount("/web", _files, name="web")


@router.api_route("/", methods=["GET", "HEAD"], include_in_schema=False)
async def page(request: Request) -> Response:
    """Return the page, or 304 when the browser has it already."""
    return await _files.get_response("index.html", request.scope)


@router.api_route(DOCUMENTATION, methods=["GET", "HEAD"], include_in_schema=False)
async def documentation(request: Request) -> Response:
    """Return the page that shows the OpenAPI document."""
    return await _files.get_response("docs/docs.html", request.scope)
