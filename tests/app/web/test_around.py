"""What stands around the answers: notices above everything, published answers, doubtful words."""

import json

import pytest
from playwright.sync_api import Page, expect

from app.errors import GenerationFailed, QueueFull
from tests.app.api.test_notices import EMERGENCY
from tests.app.web.conftest import (
    ASKED,
    LOOKS,
    Fake,
    Open,
    ask,
    assert_accessible,
    assert_fits,
    expect_finished,
    expect_state,
    served,
    side,
)

ASTHMA = "What is asthma?"
CRISIS = "I want to die, I took 40 pills"
NOTICE = {"kind": "emergency", "text": "This may be an emergency.", "contact": "Call 1234."}


def _watch_alerts(page: Page) -> None:
    page.evaluate("""() => {
      window.alerts = [];
      new MutationObserver((changes) => {
        for (const {addedNodes} of changes)
          for (const node of addedNodes) if (node.role === "alert") alerts.push(node.textContent);
      }).observe(document.body, {childList: true, subtree: true});
    }""")


@pytest.mark.long
@LOOKS
def test_a_notice_stands_above_everything(
    opened: Open, fake: Fake, phone: bool, dark: bool
) -> None:
    page = opened(fake.url, phone=phone, dark=dark)
    expect_state(page, "Ready")
    _watch_alerts(page)
    fake.fine_tuned.seconds_per_token = 0.3
    ask(page, EMERGENCY)
    alert = page.get_by_role("alert")
    expect(alert).to_contain_text("call for help now")
    expect(alert).to_contain_text("911")
    expect(side(page, "fine-tuned")).not_to_have_attribute("data-state", "finished")
    expect_finished(page)
    expect(alert).to_have_count(1)
    expect(alert).to_be_in_viewport(ratio=1)
    assert page.evaluate("window.alerts.length") == 1, "said once, though `done` holds it too"
    expect(alert.get_by_role("link", name="911")).to_have_attribute("href", "tel:911")
    expect(page.locator("#rest")).to_be_hidden()
    first = page.locator("main *:visible").first
    assert first.evaluate("e => e.closest('#notices') !== null")
    assert_accessible(page)
    assert_fits(page)

    ask(page, ASKED)
    expect(page.locator("#asked")).to_have_text(ASKED)
    expect(alert).to_have_count(0)
    expect_finished(page)
    page.locator("#history li", has_text="drooping").locator("time").click()
    expect(alert).to_have_count(1)
    expect(alert).to_be_in_viewport(ratio=1)


def test_each_need_has_its_notice(opened: Open, fake: Fake) -> None:
    page = opened(fake.url)
    _watch_alerts(page)
    ask(page, CRISIS)
    expect(page.locator(".side").first).to_be_hidden()
    alerts = page.get_by_role("alert")
    expect(alerts).to_have_count(2)
    expect(alerts.first).to_contain_text("988")
    assert page.evaluate("window.alerts.length") == 2
    assert alerts.locator("a").evaluate_all("all => all.map(a => a.href)") == [
        "tel:988",
        "tel:988",
        "tel:911",
        "tel:18002221222",
        "tel:911",
    ]
    expect(alerts.first).to_contain_text("Region: United States. Elsewhere, call your own")


def test_a_crisis_is_alone_and_leaves_no_trace(opened: Open, fake: Fake) -> None:
    page = opened(fake.url)
    page.route("https://www.wikipedia.org/", lambda route: route.fulfill(body="Elsewhere"))
    ask(page, ASKED)
    expect_finished(page)
    ask(page, CRISIS)
    expect(page.get_by_role("alert")).to_have_count(2)
    for hidden in ("#form", "#result", "#history", ".disclaimer"):
        expect(page.locator(hidden)).to_be_hidden()
    assert_accessible(page)
    page.get_by_role("button", name="Show what else there is").click()
    expect_finished(page)
    expect(page.locator("#result")).to_be_visible()
    kept = page.evaluate("JSON.stringify([history.state, {...localStorage}, {...sessionStorage}])")
    assert "pills" not in kept
    assert "hemophilia" in kept
    page.get_by_role("button", name="Leave this page").click()
    expect(page.locator("body")).to_have_text("Elsewhere")
    page.go_back()
    expect(page.locator("#asked")).to_have_text(ASKED)


@pytest.mark.parametrize("error", [QueueFull("Full.", 900), GenerationFailed("Failed.")])
def test_a_failure_after_a_notice_leaves_it(opened: Open, fake: Fake, error: Exception) -> None:
    page = opened(fake.url)
    for engine in (fake.fine_tuned, fake.base):
        engine.ids, engine.error = [], error
    ask(page, EMERGENCY)
    expect(side(page, "base")).to_have_attribute("data-state", "failed")
    expect(page.get_by_role("alert")).to_contain_text("911")
    ask(page, "")  # not sent
    expect(page.locator("#question-error")).not_to_be_empty()
    expect(page.get_by_role("alert")).to_contain_text("911")


def test_a_notice_is_there_while_the_page_waits_for_a_place(opened: Open, fake: Fake) -> None:
    page = opened(fake.url)
    _watch_alerts(page)
    said = {engine: engine.ids for engine in (fake.fine_tuned, fake.base)}
    for engine in said:
        engine.ids, engine.error = [], QueueFull("Full.", 60)
    ask(page, EMERGENCY)
    expect_state(page, "Busy")
    expect(page.get_by_role("alert")).to_contain_text("911")
    expect(page.locator("#notice")).to_contain_text("Asking again in")
    for engine, ids in said.items():
        engine.ids, engine.error = ids, None
    page.get_by_role("button", name="Try now").click()
    expect_finished(page)
    assert page.evaluate("window.alerts.length") == 1, "said once, though asked twice"


def test_a_service_that_stops_says_it_too(opened: Open, fake: Fake) -> None:
    page = opened(fake.url)
    expect_state(page, "Ready")
    page.route("**/compare", lambda route: route.fulfill(
        status=503,
        content_type="application/problem+json",
        body=json.dumps({"title": "", "status": 503, "detail": "Stopping.", "notices": [NOTICE]}),
    ))  # fmt: skip
    ask(page, EMERGENCY)
    expect(page.get_by_role("alert")).to_contain_text("Call 1234.")


def test_the_notice_alone_where_the_service_answers_nothing_else(opened: Open, fake: Fake) -> None:
    with served(fake.fine_tuned, fake.base, answer_red_flags=False) as other:
        page = opened(other.url)
        ask(page, EMERGENCY)
        expect_finished(page)
        expect(page.get_by_role("alert")).to_contain_text("911")
        expect(page.locator("#summary")).to_contain_text("Neither gave an answer")
        for model in ("fine-tuned", "base"):
            column = side(page, model)
            expect(column.locator(":is(.stats, .copy):visible")).to_have_count(0)
            blank = column.locator(".answer")
            shown = blank.evaluate("e => getComputedStyle(e, '::before').content")
            assert shown == '"No answer: the notice above comes first."'
        assert_accessible(page)
