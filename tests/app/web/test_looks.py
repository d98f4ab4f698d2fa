"""Phone and desktop, light and dark: nothing is cut off, axe-core finds nothing in any state."""

import pytest
from playwright.sync_api import expect

from app.errors import GenerationFailed, QueueFull
from app.main import Engines, create_app
from app.settings import Settings
from tests.app.conftest import serving
from tests.app.middleware.test_authentication import KEYS
from tests.app.web.conftest import (
    LOOKS,
    Fake,
    Open,
    ask,
    assert_accessible,
    assert_fits,
    expect_finished,
    expect_state,
    side,
)

pytestmark = pytest.mark.long


@LOOKS
def test_answers(opened: Open, fake: Fake, phone: bool, dark: bool) -> None:
    page = opened(fake.url, phone=phone, dark=dark)
    expect_state(page, "Ready")
    assert_accessible(page)
    assert_fits(page)
    background = page.evaluate("getComputedStyle(document.body).backgroundColor")
    red, *_ = (int(part) for part in background.removeprefix("rgb(").removesuffix(")").split(","))
    assert (red < 64) == dark

    fake.fine_tuned.seconds_per_token = 0.2
    ask(page, "Is " + "hemophilia" * 12 + " inherited?", top_k="3", reference="A disease.")
    expect(side(page, "fine-tuned")).to_have_attribute("data-state", "writing")
    assert_accessible(page)
    expect_finished(page)
    assert_accessible(page)
    assert_fits(page)
    tuned, base = (side(page, model).bounding_box() for model in ("fine-tuned", "base"))
    assert tuned
    assert base
    assert (tuned["y"] + tuned["height"] <= base["y"]) == phone, "stacked on a phone only"


@LOOKS
def test_every_other_state(opened: Open, fake: Fake, phone: bool, dark: bool) -> None:
    page = opened(fake.url, phone=phone, dark=dark)
    fake.base.error = GenerationFailed("The model could not finish.")
    ask(page, max_new_tokens="0")
    expect(page.locator("#max_new_tokens-error")).not_to_be_empty()
    assert_accessible(page)
    ask(page, max_new_tokens="")
    expect(side(page, "base").locator(".problem")).to_be_visible()
    assert_accessible(page)
    assert_fits(page)

    for engine in (fake.fine_tuned, fake.base):
        engine.ids, engine.error = [], QueueFull("Every place is taken.", 90)
    ask(page)
    expect_state(page, "Busy")
    assert_accessible(page)
    assert_fits(page)
    page.keyboard.press("Escape")

    looks = {page.locator("#state").evaluate("e => e.innerHTML")}
    for step in ("loading", "draining", "failed"):
        fake.service.step = step
        page.reload()
        expect(page.locator("#notice")).to_be_visible()
        looks.add(page.locator("#state").evaluate("e => e.innerHTML"))
        assert_accessible(page)
        assert_fits(page)
    fake.service.step = "ready"
    expect_state(page, "Ready")
    page.route("**/readyz", lambda route: route.abort())
    page.evaluate("dispatchEvent(new Event('online'))")
    expect_state(page, "Offline")
    looks.add(page.locator("#state").evaluate("e => e.innerHTML"))
    assert_accessible(page)
    assert_fits(page)
    assert len(looks) == 5, "no two states look the same"


@LOOKS
def test_key_needed(opened: Open, fake: Fake, phone: bool, dark: bool) -> None:
    engines: Engines = {"fine-tuned": fake.fine_tuned, "base": fake.base}
    app = create_app(Settings(_env_file=None, api_keys=KEYS), engines)
    with serving(app) as url:
        page = opened(url, phone=phone, dark=dark)
        expect_state(page, "Key needed")
        assert_accessible(page)
        assert_fits(page)


def test_motion_is_reduced_on_request(opened: Open, fake: Fake) -> None:
    fake.service.step = "loading"
    for reduced, moving in (("reduce", 0), ("no-preference", 1)):
        page = opened(fake.url, reduced_motion=reduced)
        expect_state(page, "Starting")
        assert page.evaluate("document.getAnimations().length") == moving


def test_screen_readers_hear_the_ends_not_every_token(opened: Open, fake: Fake) -> None:
    page = opened(fake.url)
    expect(page.locator("#announcer")).to_contain_text("Ready")
    page.evaluate("""() => {
      window.heard = [];
      const announcer = document.querySelector("[role=status]");
      new MutationObserver(() => heard.push(announcer.textContent))
        .observe(announcer, {childList: true, characterData: true, subtree: true});
    }""")
    fake.base.seconds_per_token = 0.05
    ask(page)
    expect_finished(page)
    expect(page.locator("#announcer")).to_contain_text("Both models are done.")
    heard = page.evaluate("window.heard")
    assert heard[0] == "Both models are answering."
    assert len(heard) == 2
    assert page.locator("[aria-live], [role=alert], [role=log]").count() == 0
