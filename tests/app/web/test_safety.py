"""What people and models write is shown as text, never run; and all of it works under a prefix."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import httpx
import pytest
from playwright.sync_api import Page, expect
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import StreamingResponse
from starlette.routing import Route

from app.answering.answer import ModelName
from app.engine.checkpoint import Checkpoint
from app.errors import GenerationFailed
from app.main import create_app
from app.settings import Settings
from tests.app.conftest import FakeEngine, serving
from tests.app.web.conftest import Fake, Open, ask, expect_finished, expect_state, side

PAYLOADS = [
    "<img src=x onerror=\"window.ran='img'\">",
    "<script>window.ran='script'</script>",
    "</p><svg onload=\"window.ran='svg'\"></svg>",
    "<iframe srcdoc=\"<script>parent.ran='frame'</script>\"></iframe>",
    '"><a href="javascript:window.ran=\'link\'">{{7*7}}</a>',
]
EVERYTHING = " ".join(PAYLOADS)


def says(engine: FakeEngine, text: str) -> None:
    """Have an engine say a text."""
    tokenizer = engine.checkpoint.tokenizer
    engine.ids = tokenizer.encode(text)
    engine.ends = [False] * len(engine.ids)


def _assert_inert(page: Page) -> None:
    assert page.evaluate("window.ran") is None
    inside = "main :is(img, script, iframe, a[href^=javascript]), #result svg, #history svg"
    assert page.locator(inside).count() == 0


def test_html_is_text_wherever_it_comes_from(opened: Open, fake: Fake) -> None:
    page = opened(fake.url)
    says(fake.fine_tuned, EVERYTHING)
    says(fake.base, PAYLOADS[0])
    ask(page, EVERYTHING, reference=EVERYTHING)
    expect_finished(page)
    for place in (side(page, "fine-tuned").locator(".answer"), page.locator("#asked")):
        assert place.evaluate("e => e.textContent") == EVERYTHING
    assert side(page, "base").locator(".answer").evaluate("e => e.textContent") == PAYLOADS[0]
    expect(page.locator("#history li span")).to_have_text(EVERYTHING)
    _assert_inert(page)

    page.reload()
    page.locator("#history button", has_text="onerror").first.click()
    expect(page.locator("#asked")).to_have_text(EVERYTHING)
    _assert_inert(page)

    page.get_by_role("button", name="Copy link").click()
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    linked = opened(page.evaluate("navigator.clipboard.readText()"))
    expect_finished(linked)
    expect(linked.locator("#asked")).to_have_text(EVERYTHING)
    _assert_inert(linked)


def test_a_problem_that_holds_html_is_text(opened: Open, fake: Fake) -> None:
    page = opened(fake.url)
    fake.base.error = GenerationFailed(EVERYTHING)
    ask(page)
    expect(side(page, "base").locator(".problem")).to_have_text(EVERYTHING)
    _assert_inert(page)


def test_a_history_that_is_not_ours_is_left_out(opened: Open, fake: Fake) -> None:
    page = opened(fake.url)
    for stored in ("{", "7", '[null, {"question": "?"}]'):
        page.evaluate("text => localStorage.setItem('medqa.history', text)", stored)
        page.reload()
        expect_state(page, "Ready")
        expect(page.locator("#history")).to_be_hidden()


@pytest.fixture
def prefixed(fine_tuned: Checkpoint, base: Checkpoint) -> Iterator[str]:
    """A service behind a proxy that takes the prefix off, as the setting `root_path` says."""
    engines: dict[ModelName, FakeEngine] = {
        "fine-tuned": FakeEngine(fine_tuned, "A disease."),
        "base": FakeEngine(base, "The"),
    }
    settings = Settings(_env_file=None, root_path="/care/medqa")
    app = create_app(settings, engines)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[dict[str, httpx.AsyncClient]]:
        async with httpx.AsyncClient() as client:
            yield {"client": client}

    async def forward(request: Request) -> StreamingResponse:
        client = request.state.client
        path = request.url.path.removeprefix(settings.root_path)
        upstream = client.build_request(
            request.method,
            f"{url}{path}",
            headers=[(name, value) for name, value in request.headers.items() if name != "host"],
            content=await request.body(),
        )
        response = await client.send(upstream, stream=True)
        return StreamingResponse(
            response.aiter_raw(),
            response.status_code,
            response.headers,
            background=BackgroundTask(response.aclose),
        )

    route = Route(settings.root_path + "/{path:path}", forward, methods=["GET", "POST"])
    with (
        serving(app, root_path=settings.root_path) as url,
        serving(Starlette(routes=[route], lifespan=lifespan)) as proxy,
    ):
        yield f"{proxy}{settings.root_path}/"


def test_it_works_under_a_prefix(opened: Open, prefixed: str) -> None:
    page = opened(prefixed)
    expect_state(page, "Ready")
    ask(page)
    expect_finished(page)
    expect(side(page, "fine-tuned").locator(".answer")).to_have_text("A disease.")
    page.get_by_role("button", name="Copy link").click()
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    assert page.evaluate("navigator.clipboard.readText()").startswith(f"{prefixed}#")
    page.get_by_role("button", name="Copy as curl").click()
    expect(page.get_by_role("button", name="Copied")).to_have_count(2)
    assert f"'{prefixed}compare'" in page.evaluate("navigator.clipboard.readText()")
    documentation = opened(
        page.get_by_role("link", name="API documentation").evaluate("a => a.href")
    )
    expect(documentation.locator(".opblock").first).to_be_visible()
