"""The page as readers set it: zoomed in, in forced colours, printed, read from right to left."""

import json
from typing import Any

import pytest
from playwright.sync_api import Page, ViewportSize, expect

from tests.app.api.test_notices import EMERGENCY
from tests.app.web.conftest import (
    ASKED,
    Fake,
    Open,
    ask,
    assert_accessible,
    expect_finished,
    side,
)
from tests.app.web.test_around import CRISIS
from tests.app.web.test_safety import says

ZOOMED = ViewportSize(width=320, height=256)  # 1280 by 1024 at 400%
FORCED = pytest.mark.parametrize("dark", [False, True])
HEBREW = "המופיליה היא מחלה תורשתית (X-linked). " * 3


def _style(page: Page, selector: str, *names: str) -> list[str]:
    """Return what is computed of an element's style."""
    read = "(e, names) => names.map(name => getComputedStyle(e).getPropertyValue(name))"
    told: list[str] = page.locator(selector).first.evaluate(read, names)
    return told


def _bottom(page: Page, selector: str) -> float:
    box = page.locator(selector).first.bounding_box()
    assert box
    return box["y"] + box["height"]


@pytest.mark.long
@FORCED
def test_in_forced_colours_every_word_is_seen(opened: Open, fake: Fake, dark: bool) -> None:
    page = opened(fake.url, dark=dark, forced_colors="active")
    ask(page)
    expect_finished(page)
    assert _style(page, "mark", "color") == _style(page, "body", "color")
    assert _style(page, "#ask", "border-top-style") == ["solid"]
    assert_accessible(page)
    ask(page, CRISIS)
    expect(page.get_by_role("alert")).to_have_count(2)
    assert_accessible(page)


@pytest.mark.long
def test_zoomed_in_far_nothing_covers_what_is_read(opened: Open, fake: Fake) -> None:
    page = opened(fake.url)
    page.set_viewport_size(ZOOMED)
    fake.fine_tuned.seconds_per_token = 0.3
    ask(page)
    expect(page.locator("#stop")).to_be_visible()
    for floating in (".disclaimer", "#stop", "#rest"):
        assert _style(page, floating, "position") == ["static"]
    expect_finished(page)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert_accessible(page)
    ask(page, CRISIS)
    expect(page.get_by_role("alert")).to_have_count(2)
    page.evaluate("scrollTo(0, 0)")
    rest = page.locator("#rest").bounding_box()
    assert rest
    assert rest["y"] >= _bottom(page, "#notices > :last-child")
    assert_accessible(page)


def test_printed_it_is_the_answers_whole_and_the_notice_in_dark_letters(
    opened: Open, fake: Fake
) -> None:
    page = opened(fake.url, dark=True)
    says(fake.base, "\n".join(f"Line {number} of what the base says." for number in range(30)))
    ask(page, EMERGENCY)
    expect_finished(page)
    assert page.locator(".clamped").count() == 1
    page.emulate_media(media="print")
    for hidden in ("#form", "#history", ".tools", "#keeping"):
        expect(page.locator(hidden).first).to_be_hidden()
    whole = ["visible", "none", "none"]
    assert _style(page, ".clamped", "overflow-y", "max-height", "contain") == whole
    red, *_ = (int(part) for part in _style(page, ".alarm", "color")[0][4:-1].split(","))
    assert red < 64, "browsers print no background"
    expect(page.get_by_role("alert")).to_contain_text("911")


def test_right_to_left_stays_so_wherever_it_is_shown(opened: Open, fake: Fake) -> None:
    page = opened(fake.url)
    reference = {"id": "a", "question": HEBREW, "source": "GHR", "excerpt": HEBREW, "url": ""}
    sentence = {"start": 0, "end": len(HEBREW), "mark": "not_found", "text_id": "a"}

    def add(route: Any) -> None:
        body = route.fetch(post_data={**route.request.post_data_json, "stream": False}).json()
        body |= {"references": [reference]}
        body["fine_tuned"] |= {"answer": HEBREW, "sentences": [{**sentence, "published": HEBREW}]}
        route.fulfill(
            body=f"event: done\ndata: {json.dumps(body)}\n\n", content_type="text/event-stream"
        )

    page.route("**/compare", add)
    ask(page, HEBREW)
    expect_finished(page)
    page.locator("mark").first.click()
    for place in ("#question", "#asked", "h4 + .passage", ".answer", ".beside q", "#history span"):
        assert _style(page, place, "direction") == ["rtl"], place
    assert _style(page, ".source", "direction") == ["ltr"]
    # What is left of a folded sentence may be a space: nothing to choose.
    expect(side(page, "fine-tuned").locator("mark")).to_have_count(2)
    assert_accessible(page)


def test_a_question_of_many_lines_leaves_room_for_what_was_found(opened: Open, fake: Fake) -> None:
    page = opened(fake.url, phone=True)
    ask(page, f"{ASKED} " * 40)
    expect_finished(page)
    page.locator("#asked").evaluate("e => e.scrollIntoView()")
    expect(page.locator("#models")).to_be_in_viewport(ratio=1)
