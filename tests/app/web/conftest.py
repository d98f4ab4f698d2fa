"""The page in a real Chromium: opened on real servers, watched for errors, read as people do."""

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, ConsoleMessage, Locator, Page, ViewportSize, expect

from app.answering.service import Service
from app.engine.checkpoint import Checkpoint
from app.main import create_app
from app.settings import Settings
from benchmarks.harness.chromium import chromium
from tests.app.conftest import FakeEngine, serving
from tests.app.server_process import Server

PHONE = ViewportSize(width=360, height=740)
DESKTOP = ViewportSize(width=1280, height=900)
ASKED = "Is hemophilia inherited?"
# A phone in light colours would show nothing else: the style sheet's rules for narrow windows name
# no colour, and only hide what a desktop shows.
LOOKS = pytest.mark.parametrize(("phone", "dark"), [(False, False), (False, True), (True, True)])

expect.set_options(timeout=20_000)

Open = Callable[..., Page]


# Of a module and not of the session: while Playwright's sync API runs, no async test can.
@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as launched:
        yield launched


@pytest.fixture
def opened(browser: Browser) -> Iterator[Open]:
    """Open pages, each in a profile of its own; none may have an error by the end of the test."""
    errors: list[str] = []

    def heard(message: ConsoleMessage) -> None:
        # A status that the page deals with is no error of its own.
        if message.type == "error" and "Failed to load resource" not in message.text:
            errors.append(message.text)

    with ExitStack() as contexts:

        def open_page(url: str, *, dark: bool = False, phone: bool = False, **more: Any) -> Page:
            context = browser.new_context(
                viewport=PHONE if phone else DESKTOP,
                color_scheme="dark" if dark else "light",
                permissions=["clipboard-read", "clipboard-write"],
                **more,
            )
            contexts.callback(context.close)
            page = context.new_page()
            page.on("console", heard)
            page.on("pageerror", lambda error: errors.append(str(error)))
            page.goto(url)
            return page

        yield open_page
    assert errors == []


@pytest.fixture(scope="session")
def demo() -> Iterator[Server]:
    """The service with the embedded pair and room for one question at a time."""
    running = Server(MEDQA_MAX_RUNNING="1", MEDQA_MAX_WAITING="0")
    try:
        running.wait_until_ready()
        yield running
    finally:
        running.stop()


@dataclass
class Fake:
    """A real server over engines that say what a test tells them."""

    url: str
    service: Service
    fine_tuned: FakeEngine
    base: FakeEngine


@contextmanager
def served(fine_tuned: FakeEngine, base: FakeEngine, **settings: Any) -> Iterator[Fake]:
    """Serve fake engines until the context ends."""
    app = create_app(Settings(_env_file=None, **settings), {"fine-tuned": fine_tuned, "base": base})
    with serving(app) as url:
        while not app.state.service.ready:
            time.sleep(0.01)
        yield Fake(url, app.state.service, fine_tuned, base)


@pytest.fixture
def fake(fine_tuned: Checkpoint, base: Checkpoint) -> Iterator[Fake]:
    tuned = FakeEngine(fine_tuned, "A disease.", end=True)
    with served(tuned, FakeEngine(base, "The the the the")) as running:
        yield running


def side(page: Page, model: str) -> Locator:
    """Return one model's column."""
    return page.locator(f'.side[data-model="{model}"]')


def ask(page: Page, question: str = ASKED, **settings: str) -> None:
    """Fill in the form, and send it by Enter."""
    for name, value in settings.items():
        panel = "reference-panel" if name == "reference" else "settings"
        opener = page.locator(f'[aria-controls="{panel}"]')
        if opener.get_attribute("aria-expanded") == "false":
            opener.click()
        page.locator(f'[name="{name}"]').fill(value)
    page.get_by_label("Your question").fill(question)
    page.get_by_label("Your question").press("Enter")


def expect_finished(page: Page) -> None:
    for model in ("fine-tuned", "base"):
        expect(side(page, model)).to_have_attribute("data-state", "finished")


def expect_state(page: Page, words: str) -> None:
    expect(page.locator("#state")).to_have_text(words)


def assert_accessible(page: Page) -> None:
    """Have axe-core find nothing, contrast included."""
    found = Axe().run(page)
    assert found.violations_count == 0, found.generate_report()


def assert_fits(page: Page) -> None:
    """Nothing is cut off at the side, and the disclaimer is in view wherever the page stands."""
    for place in (0, 1_000_000):
        page.evaluate("place => scrollTo({top: place, behavior: 'instant'})", place)
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        expect(page.locator(".disclaimer p")).to_be_in_viewport(ratio=1)
    page.evaluate("scrollTo({top: 0, behavior: 'instant'})")
