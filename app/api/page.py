"""GET / and /web/…: the page's files, revalidated by their ETag at every visit.

Knows nothing about what is in them. Their links are relative, so that they work under any prefix.
"""

import mimetypes
from pathlib import Path

from fastapi import APIRouter, Request, Response
from fastapi.staticfiles import StaticFiles

WEB = Path(__file__).resolve().parents[1] / "web"

# Browsers run no module of another type, and what an operating system's own table says varies.
mimetypes.add_type("text/javascript", ".js")

_files = StaticFiles(directory=WEB)
router = APIRouter()
router.mount("/web", _files, name="web")


@router.api_route("/", methods=["GET", "HEAD"], include_in_schema=False)
async def page(request: Request) -> Response:
    """Return the page, or 304 when the browser has it already."""
    return await _files.get_response("index.html", request.scope)
