"""The documentation at /docs: rendered and usable with no other site within reach."""

import json

from playwright.sync_api import Page, Request, expect

from tests.app.web.conftest import Fake, Open


def _asked_elsewhere(page: Page, url: str) -> list[str]:
    """Open the documentation again, wait until all is drawn; return what was asked of others."""
    asked: list[str] = []

    def heard(request: Request) -> None:
        if not request.url.startswith((url, "data:")):
            asked.append(request.url)

    page.on("request", heard)
    page.reload(wait_until="networkidle")
    return asked


def test_every_operation_is_shown_from_here_alone(opened: Open, fake: Fake) -> None:
    page = opened(f"{fake.url}/docs")
    assert _asked_elsewhere(page, fake.url) == []
    expect(page.locator(".opblock")).to_have_count(12)
    expect(page.locator(".opblock").first).to_have_css("border-radius", "4px")  # its style sheet
    expect(page.locator(".info .title")).to_contain_text("medqa")
    page.locator("#operations-answers-answer .opblock-summary-control").click()
    shown = page.locator("#operations-answers-answer")
    expect(shown).to_contain_text("application/problem+json")
    expect(shown).to_contain_text("text/event-stream")
    page.locator("section.models").get_by_text("CompletionUsage").first.scroll_into_view_if_needed()


def test_a_question_can_be_tried(opened: Open, fake: Fake) -> None:
    page = opened(f"{fake.url}/docs#/answers/answer")
    page.get_by_role("button", name="Try it out").click()
    page.locator("textarea.body-param__text").fill(json.dumps({"question": "What is asthma?"}))
    page.get_by_role("button", name="Execute").click()
    expect(page.locator(".live-responses-table")).to_contain_text('"answer": "A disease."')
