"""Published answers on the page: above the models, opened, linked, and never run."""

import json
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from app.engine.interface import Span
from tests.app.web.conftest import (
    LOOKS,
    Fake,
    Open,
    ask,
    assert_accessible,
    assert_fits,
    expect_finished,
    served,
    side,
)
from tests.app.web.test_around import ASTHMA
from tests.app.web.test_safety import EVERYTHING, says
from tests.training.conftest import document, write_archive
from training.index import index

FOUND = {
    "1_CancerGov_QA/1.xml": document(
        "Asthma", {"What is (are) Asthma ?": "Asthma is a disease of the airways. " * 40}
    ).replace("<Document", '<Document url="https://published.example/asthma?a=1"'),
    "11_MPlusDrugs_QA/3.xml": document(
        "Albuterol", {"Why is this prescribed, asthma or albuterol ?": ""}
    ).replace("<Document", '<Document url="http://published.example/albuterol"'),
}


WHY = "Not found in the published answers above"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An index of one answer that may be shown, and one that may only be linked to."""
    directory = tmp_path_factory.mktemp("index")
    index(write_archive(directory / "MedQuAD.zip", FOUND), directory / "references")
    return directory / "references"


@pytest.mark.long
@LOOKS
def test_published_answers_stand_above_the_models(
    opened: Open, fake: Fake, made: Path, phone: bool, dark: bool
) -> None:
    said = "😀 Asthma is a disease of the airways. Zebras cure 💊 all of it."
    says(fake.fine_tuned, said)
    sentence = fake.fine_tuned.checkpoint.tokenizer.encode(said[: said.index(" Zebras")])
    fake.fine_tuned.known_spans = [Span(0, len(sentence), answers=364, topics=1)]
    with served(fake.fine_tuned, fake.base, references=str(made)) as other:
        page = opened(other.url, phone=phone, dark=dark)
        ask(page, ASTHMA)
        expect_finished(page)
        told = page.request.post(f"{other.url}/compare", data={"question": ASTHMA}).json()
        sentences = told["fine_tuned"]["sentences"]
        assert [each["mark"] for each in sentences] == ["stands_in", "not_found"]

        listed = page.locator("#references li")
        expect(listed).to_have_count(len(told["references"]))
        for reference, item in zip(told["references"], listed.all(), strict=True):
            link = item.get_by_role("link", name=reference["question"])
            expect(link).to_have_attribute("href", reference["url"])
            expect(link).to_have_attribute("rel", "noreferrer noopener")
            expect(item.locator(".source b")).to_be_visible()
            if reference["excerpt"] is None:
                expect(item).to_contain_text("a link only")
                continue
            expect(item.get_by_role("link", name="CC BY 4.0")).to_be_visible()
            expect(item.get_by_text(reference["excerpt"])).to_be_visible()

        column = side(page, "fine-tuned")
        assert column.locator(".answer").evaluate("e => e.textContent") == said
        marks = column.locator("mark")
        expect(marks).to_have_text([said[each["start"] : each["end"]] for each in sentences])
        expect(marks).to_have_text(
            ["😀 Asthma is a disease of the airways.", "Zebras cure 💊 all of it."]
        )
        doubtful = marks.nth(1)
        expect(doubtful).to_have_accessible_description(WHY)
        doubtful.press("Enter")
        beside = column.locator(".beside")
        expect(beside).to_contain_text("The model says: Zebras cure 💊 all of it.")
        expect(beside).to_contain_text(f"{WHY}.")
        marks.first.click()
        expect(beside).to_contain_text("Stands in a published answer.")
        expect(beside).to_contain_text("Kidney Diseases: Asthma is a disease of the airways.")
        expect(beside).to_contain_text("This sentence stands in 364 published answers on 1 topic.")
        below = "find => find('#references').bottom <= find('#models').top"
        box = "selector => document.querySelector(selector).getBoundingClientRect()"
        assert page.evaluate(f"({below})({box})"), "at one moment, as the page may scroll"
        assert doubtful.evaluate("e => getComputedStyle(e).textDecorationStyle") == "dotted"
        expect(column).to_contain_text(f"Stands in a published answer: 1; {WHY}: 1.")
        assert_accessible(page)
        assert_fits(page)
        column.get_by_role("button", name="Copy answer").click()
        expect(column.get_by_role("button", name="Copied")).to_be_visible()
        assert page.evaluate("navigator.clipboard.readText()") == said

        ask(page, "zzz qqq")
        expect_finished(page)
        expect(page.locator("#references")).to_contain_text("Nothing published was found")


@pytest.mark.long
def test_what_a_reader_opened_stays_open(opened: Open, fake: Fake, made: Path) -> None:
    fake.fine_tuned.seconds_per_token = 0.7
    with served(fake.fine_tuned, fake.base, references=str(made)) as other:
        page = opened(other.url, phone=True)
        ask(page, ASTHMA)
        page.get_by_role("button", name="Show all of the passage").first.click()
        expect(side(page, "fine-tuned")).to_have_attribute("data-state", "writing")
        expect_finished(page)
        expect(page.get_by_role("button", name="Show less of the passage")).to_be_visible()


def test_without_an_index_nothing_is_listed(opened: Open, fake: Fake) -> None:
    with served(fake.fine_tuned, fake.base, references="none") as other:
        page = opened(other.url)
        ask(page, ASTHMA)
        expect_finished(page)
        expect(page.locator("#references")).to_be_hidden()
        mark = side(page, "fine-tuned").locator("mark")
        expect(mark).to_have_accessible_description("Unchecked")
        expect(side(page, "fine-tuned")).to_contain_text("Unchecked: 1.")


@pytest.mark.parametrize("url", ["javascript:window.ran='link'", " javascript:alert(1)", "data:,x"])
def test_html_and_code_in_references_and_notices_are_text(
    opened: Open, fake: Fake, url: str
) -> None:
    page = opened(fake.url)
    reference = {"question": EVERYTHING, "source": EVERYTHING, "excerpt": EVERYTHING, "url": url}
    sentence = {"start": 0, "end": len(EVERYTHING), "mark": "contradicts", "why": EVERYTHING}
    sentence |= {"text_id": EVERYTHING, "published": EVERYTHING}
    notice = {"kind": "emergency", "text": EVERYTHING, "contact": EVERYTHING}

    def add(route: Any) -> None:
        body = route.fetch(post_data={**route.request.post_data_json, "stream": False}).json()
        body |= {"references": [reference], "notices": [notice]}
        passage = {**reference, "text": EVERYTHING}
        body["fine_tuned"] |= {"answer": EVERYTHING, "sentences": [sentence]}
        body["fine_tuned"] |= {"grounded": True, "passages": [passage]}
        route.fulfill(
            body=f"event: done\ndata: {json.dumps(body)}\n\n", content_type="text/event-stream"
        )

    page.route("**/compare", add)
    ask(page)
    expect_finished(page)
    item = page.locator("#references li")
    shown = item.evaluate("e => [...e.querySelectorAll('h4, p, b')].map(each => each.textContent)")
    assert shown == [EVERYTHING, EVERYTHING, f"From {EVERYTHING}", EVERYTHING]
    assert page.get_by_role("alert").locator("p").first.evaluate("e => e.textContent") == EVERYTHING
    assert page.locator(".contradicts").evaluate("e => e.textContent") == EVERYTHING
    page.locator(".contradicts").click()
    quoted = page.locator(".beside q").evaluate_all("all => all.map(each => each.textContent)")
    assert quoted == [EVERYTHING, EVERYTHING]
    read = (
        side(page, "fine-tuned")
        .locator("bdi, details p")
        .evaluate_all("all => all.map(each => each.textContent)")
    )
    assert read == [EVERYTHING, EVERYTHING, f"From {EVERYTHING}"]
    assert page.evaluate("window.ran") is None
    active = "main :is(img, script, iframe), :is(#references, #notices, .side) a"
    assert page.locator(active).count() == 0
