"""Starting, busy, offline, key needed, one side failed: each is told, and goes on by itself."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import expect

from app.errors import GenerationFailed, QueueFull
from tests.app.middleware.test_authentication import KEY, KEYS
from tests.app.server_process import Server
from tests.app.web.conftest import Fake, Open, ask, expect_finished, expect_state, side

KEYED = {"MEDQA_API_KEYS": KEYS}


def test_starting_says_so_and_sends_when_ready(opened: Open, fake: Fake) -> None:
    fake.service.step = "loading"
    before = len(fake.base.prompts)
    page = opened(fake.url)
    expect_state(page, "Starting")
    expect(page.locator("#notice")).to_contain_text("The models are loading")
    ask(page, "What is asthma?")
    expect(side(page, "base")).to_have_attribute("data-state", "waiting")
    fake.service.step = "warming up"
    expect(page.locator("#notice")).to_contain_text("Almost ready")
    assert len(fake.base.prompts) == before
    fake.service.step = "ready"
    expect_finished(page)
    expect_state(page, "Ready")
    expect(page.locator("#notice")).to_be_hidden()
    assert len(fake.base.prompts) == before + 1


def test_busy_counts_down_and_asks_again(opened: Open, fake: Fake) -> None:
    page = opened(fake.url)
    for engine in (fake.fine_tuned, fake.base):
        engine.ids, engine.error = [], QueueFull("Every place is taken.", 3)
    before = len(fake.base.prompts)
    ask(page)
    expect_state(page, "Busy")
    expect(page.locator("#notice h2")).to_have_text("Every place is taken")
    expect(page.locator("#notice p")).to_have_text(
        "Every place is taken. Asking again in 1 second."
    )
    expect(page.locator("#announcer")).to_contain_text("Busy.")
    fake.fine_tuned.error = fake.base.error = None
    expect_finished(page)
    expect_state(page, "Ready")
    assert len(fake.base.prompts) == before + 1


def test_stop_ends_the_wait(opened: Open, fake: Fake) -> None:
    page = opened(fake.url)
    for engine in (fake.fine_tuned, fake.base):
        engine.ids, engine.error = [], QueueFull("Every place is taken.", 90)
    ask(page)
    expect(page.locator("#notice")).to_contain_text("Asking again in 89 seconds.")
    page.keyboard.press("Escape")
    expect_state(page, "Ready")
    expect(side(page, "base")).to_contain_text("stopped before it began")
    ask(page)
    expect_state(page, "Busy")
    fake.fine_tuned.error = fake.base.error = None
    page.get_by_role("button", name="Try now").click()
    expect_finished(page)


def test_a_long_wait_is_left_to_the_person(opened: Open, fake: Fake) -> None:
    page = opened(fake.url)
    for engine in (fake.fine_tuned, fake.base):
        engine.ids, engine.error = [], QueueFull("The limit is 1 request in 1 hour.", 3500)
    ask(page)
    expect(side(page, "base").locator(".problem")).to_have_text(
        "The limit is 1 request in 1 hour. Ask again in 59 minutes."
    )


def test_one_side_fails_in_its_own_column(opened: Open, fake: Fake) -> None:
    page = opened(fake.url)
    fake.base.error = GenerationFailed("The model could not finish.")
    fake.fine_tuned.seconds_per_token = 0.4
    asked = len(fake.fine_tuned.prompts) + 1
    ask(page)
    expect(side(page, "base").locator(".problem")).to_have_text("The model could not finish.")
    expect(side(page, "base").locator(".answer")).to_have_text("The the the the")
    expect(side(page, "fine-tuned")).to_have_attribute("data-state", "writing")
    expect(side(page, "fine-tuned")).to_have_attribute("data-state", "finished")
    expect(side(page, "fine-tuned").locator(".answer")).to_have_text("A disease.")
    expect(side(page, "fine-tuned").locator(".problem")).to_be_hidden()
    expect(page.locator("#summary")).to_be_hidden()
    fake.base.error = None
    side(page, "base").get_by_role("button", name="Ask again").click()
    expect_finished(page)
    expect(page.locator("#summary")).to_be_visible()
    assert len(fake.fine_tuned.prompts) == asked, "only the side that failed is asked again"


@pytest.fixture(scope="module")
def keyed() -> Iterator[list[Server]]:
    """A service that wants a key; a test may end it and append its successor."""
    servers = [Server(**KEYED)]
    try:
        servers[0].wait_until_ready()
        yield servers
    finally:
        for server in servers:
            if server.process.poll() is None:
                server.stop()


@pytest.mark.long
def test_a_key_is_asked_for_and_kept_in_the_tab(opened: Open, keyed: list[Server]) -> None:
    page = opened(keyed[0].url)
    expect_state(page, "Key needed")
    key = page.get_by_label("API key")
    expect(key).to_have_attribute("type", "password")
    expect(page.locator("#key-help")).to_contain_text("kept in this tab only")
    key.fill("wrong")
    key.press("Enter")
    expect(page.locator("#key-error")).to_have_text("The API key is not known.")
    key.fill(KEY)
    key.press("Enter")
    expect_state(page, "Ready")
    expect(page.locator("#key-form")).to_be_hidden()
    ask(page, max_new_tokens="4")
    expect_finished(page)
    page.get_by_role("button", name="Copy as curl").click()
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    command = page.evaluate("navigator.clipboard.readText()")
    assert "$MEDQA_KEY" in command
    assert KEY not in command

    page.reload()
    expect_state(page, "Ready")
    assert KEY not in page.evaluate("JSON.stringify({...localStorage})")
    expect_state(opened(keyed[0].url), "Key needed")


@pytest.mark.long
def test_a_restart_in_the_middle_of_an_answer(opened: Open, keyed: list[Server]) -> None:
    first = keyed[0]
    page = opened(first.url)
    page.get_by_label("API key").fill(KEY)
    page.get_by_label("API key").press("Enter")
    expect_state(page, "Ready")
    ask(page, max_new_tokens="1000", no_repeat_ngram_size="2")
    expect(side(page, "base")).to_have_attribute("data-state", "writing")
    first.process.kill()
    for model in ("fine-tuned", "base"):
        expect(side(page, model).locator(".problem")).to_contain_text("The connection was lost")
    assert side(page, "base").locator(".answer").inner_text(), "what was written stays"
    expect_state(page, "Offline")
    expect(page.locator("#notice")).to_contain_text("The service cannot be reached")

    ask(page, max_new_tokens="4", no_repeat_ngram_size="")
    expect(side(page, "base")).to_have_attribute("data-state", "waiting")
    first.process.wait(timeout=30)
    again = Server(MEDQA_PORT=str(first.port), **KEYED)
    keyed.append(again)
    expect(page.locator("#state")).to_have_text("Ready", timeout=60_000)
    expect_finished(page)
