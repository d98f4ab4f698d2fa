"""What the page keeps: answers over reload and Back, what may be forgotten, what is saved."""

import json
from pathlib import Path

from playwright.sync_api import Page, expect

from app.errors import GenerationFailed
from tests.app.server_process import Server
from tests.app.web.conftest import ASKED, Fake, Open, ask, expect_finished, expect_state, side

ASTHMA = "What is asthma?"


def expect_one_whole_entry_once_base_is_asked_again(page: Page) -> None:
    side(page, "base").get_by_role("button", name="Ask again").click()
    expect_finished(page)
    page.reload()
    page.locator("#history time").click()
    expect_finished(page)
    expect(page.locator("#history li")).to_have_count(1)


def test_reload_and_back_keep_the_answers(opened: Open, fake: Fake) -> None:
    page = opened(fake.url)
    expect_state(page, "Ready")
    for question in (ASKED, ASTHMA):
        ask(page, question)
        expect_finished(page)
    asked = len(fake.base.prompts)
    page.reload()
    expect(page.locator("#asked")).to_have_text(ASTHMA)
    expect(side(page, "fine-tuned").locator(".answer")).to_have_text("A disease.")
    page.go_back()
    expect(page.locator("#asked")).to_have_text(ASKED)
    expect_finished(page)
    page.go_forward()
    expect(page.locator("#asked")).to_have_text(ASTHMA)
    assert len(fake.base.prompts) == asked, "shown again, not asked again"


def test_reload_in_the_middle_keeps_the_question_and_what_is_done(opened: Open, fake: Fake) -> None:
    page = opened(fake.url)
    expect_state(page, "Ready")
    fake.base.seconds_per_token = 3
    ask(page)
    expect(side(page, "fine-tuned")).to_have_attribute("data-state", "finished")
    page.reload()
    expect(page.get_by_label("Your question")).to_have_value(ASKED)
    expect(side(page, "fine-tuned").locator(".answer")).to_have_text("A disease.")
    expect(side(page, "base").locator(".problem")).to_contain_text("not finished")
    expect_state(page, "Ready")
    fake.base.seconds_per_token = 0
    expect_one_whole_entry_once_base_is_asked_again(page)


def test_a_side_that_was_asked_again_stands_in_what_was_asked_before(
    opened: Open, fake: Fake
) -> None:
    page = opened(fake.url)
    fake.base.error = GenerationFailed("The model could not finish.")
    ask(page)
    expect(side(page, "base")).to_have_attribute("data-state", "failed")
    fake.base.error = None
    expect_one_whole_entry_once_base_is_asked_again(page)


def test_a_link_draws_the_same_again(opened: Open, demo: Server) -> None:
    page = opened(demo.url)
    ask(page, temperature="1", max_new_tokens="20")
    expect_finished(page)
    drawn = side(page, "base").locator(".answer").inner_text()
    page.get_by_role("button", name="Copy link").click()
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    again = opened(page.evaluate("navigator.clipboard.readText()"))
    expect_finished(again)
    assert side(again, "base").locator(".answer").inner_text() == drawn


def test_a_setting_that_is_refused_leaves_the_answers(opened: Open, fake: Fake) -> None:
    page = opened(fake.url)
    expect_state(page, "Ready")
    ask(page)
    expect_finished(page)
    asked = len(fake.base.prompts)
    ask(page, ASTHMA, temperature="5")
    expect(page.locator("#temperature-error")).to_have_text("must be at least 0 and at most 2")
    expect(side(page, "fine-tuned").locator(".answer")).to_have_text("A disease.")
    assert len(fake.base.prompts) == asked

    refused = {"title": "", "status": 422, "detail": "No.", "errors": [
        {"field": "question", "message": "is not answered here"}]}  # fmt: skip
    page.route("**/compare", lambda route: route.fulfill(
        status=422, content_type="application/problem+json", body=json.dumps(refused)
    ))  # fmt: skip
    ask(page, ASTHMA, temperature="")
    expect(page.locator("#question-error")).to_have_text("is not answered here")
    expect(page.locator("#asked")).to_have_text(ASKED)
    expect(side(page, "fine-tuned").locator(".answer")).to_have_text("A disease.")


def test_one_question_is_forgotten_and_private_ones_are_not_kept(opened: Open, fake: Fake) -> None:
    page = opened(fake.url)
    for question in (ASKED, ASTHMA):
        ask(page, question)
        expect_finished(page)
    page.get_by_role("button", name=f"Forget “{ASKED}”").click()
    expect(page.locator("#history li")).to_have_count(1)
    page.get_by_label("Private").check()
    ask(page, "What is a stroke?")
    expect_finished(page)
    page.reload()
    expect_state(page, "Ready")
    expect(page.get_by_label("Private")).to_be_checked()
    expect(page.locator("#history li")).to_have_count(1)
    assert "stroke" not in page.evaluate("JSON.stringify([history.state, {...localStorage}])")


def test_a_comparison_is_saved_with_its_settings(opened: Open, fake: Fake, tmp_path: Path) -> None:
    page = opened(fake.url)
    ask(page, max_new_tokens="3")
    expect_finished(page)
    with page.expect_download() as waited:
        page.get_by_role("button", name="Save as JSON").click()
    waited.value.save_as(tmp_path / "saved.json")
    saved = json.loads((tmp_path / "saved.json").read_text(encoding="utf-8"))
    assert saved["question"] == ASKED
    assert saved["settings"] == {"max_new_tokens": 3}
    assert saved["result"]["base"]["decoding"]["max_new_tokens"] == 3
    assert [model["name"] for model in saved["service"]["models"]] == ["fine-tuned", "base"]
