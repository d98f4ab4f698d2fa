"""The page's files as HTTP sees them: types, revalidation, policy, and nothing beside them."""

import re

import httpx
import pytest

from app.api.page import WEB
from tests.app.conftest import Asking
from tests.app.middleware.test_authentication import KEYS

MAX_BYTES = 75 * 1024
FILES = sorted(str(path.relative_to(WEB)) for path in WEB.rglob("*.*"))


async def test_the_page_needs_no_key(asking: Asking) -> None:
    client = await asking(api_keys=KEYS)
    response = await client.get("/")
    assert response.status_code == 200
    assert response.headers["content-type"] == "text/html; charset=utf-8"
    for name in FILES:
        assert (await client.get(f"/web/{name}")).status_code == 200


async def test_each_file_has_the_type_that_browsers_insist_on(asking: Asking) -> None:
    client = await asking()
    types = {"js": "text/javascript", "css": "text/css", "html": "text/html", "svg": "image/svg"}
    for name in FILES:
        response = await client.get(f"/web/{name}")
        assert response.headers["content-type"].startswith(types[name.rpartition(".")[2]])
        assert response.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize("path", ["/", "/web/page.js"])
async def test_a_browser_that_has_it_is_told_so(asking: Asking, path: str) -> None:
    client = await asking()
    first = await client.get(path)
    assert first.headers["cache-control"] == "no-cache"
    again = await client.get(path, headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    head = await client.head(path)
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-length"] == str(len(first.content))


async def test_its_links_work_under_any_prefix(asking: Asking) -> None:
    client = await asking()
    html = (await client.get("/")).text
    links = re.findall(r'(?:src|href)="([^"#]+)"', html)
    assert links
    for link in links:
        assert not link.startswith(("/", "http"))
        url = httpx.URL("http://test/").join(link)
        assert (await client.get(url)).status_code == 200


async def test_nothing_beside_them_is_served(asking: Asking) -> None:
    client = await asking()
    for path in (
        "/web/",
        "/web/none.js",
        "/web/..%2fsettings.py",
        "/web/%2e%2e/main.py",
        "/web/swagger-ui/__init__.py",
    ):
        response = await client.get(path)
        assert response.status_code == 404
        assert response.headers["content-type"] == "application/problem+json"
    refused = await client.post("/web/page.js")
    assert refused.status_code == 405
    assert refused.headers["content-type"] == "application/problem+json"


def test_it_is_small_and_has_no_inline_code() -> None:
    page = [path for path in WEB.iterdir() if path.is_file()]
    assert sum(path.stat().st_size for path in page) < MAX_BYTES
    for path in WEB.rglob("*.html"):
        html = path.read_text()
        assert not re.search(r"\son\w+=|\sstyle=|<style|<script(?![^>]*\ssrc=)|javascript:", html)
    for path in WEB.rglob("*.js"):
        assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|eval\(", path.read_text())
