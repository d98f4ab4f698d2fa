"""A finished answer: what was read for it, what can be compared, and what is folded."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import expect

from app.engine.checkpoint import Checkpoint
from tests.app.conftest import FakeEngine, loaded
from tests.app.web.conftest import (
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
from tests.app.web.test_safety import says
from tests.training.conftest import document, write_archive
from training.index import index
from training.prompt import NOT_FOUND

MODELS = ("fine-tuned", "base")
COMPARE = "Choose a sentence"
QUESTION = "What is scurvy?"
TEXT = "A lack of vitamin C."
NIDDK = "National Institute of Diabetes and Digestive and Kidney Diseases"
URL = "https://published.example/scurvy"
FOUND = {
    "1_CancerGov_QA/1.xml": document("Asthma", {"What is (are) Asthma ?": "A disease."}),
    "2_GARD_QA/2.xml": document("Scurvy", {"What is (are) Scurvy ?": TEXT}).replace(
        "<Document", f'<Document url="{URL}"'
    ),
}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("index")
    index(write_archive(directory / "MedQuAD.zip", FOUND), directory / "references")
    return directory / "references"


@pytest.fixture(scope="module")
def reads(reading_pair: Path) -> Checkpoint:
    return loaded(reading_pair / "fine-tuned")


@pytest.fixture
def reading(fake: Fake, reads: Checkpoint, made: Path) -> Iterator[Fake]:
    """A service whose fine-tuned model learned to read, with an index."""
    tuned = FakeEngine(reads, TEXT, end=True)
    with served(tuned, fake.base, references=str(made), default_new_tokens=40) as running:
        yield running


@pytest.mark.long
def test_each_answer_names_what_was_read_and_keeps_it(opened: Open, reading: Fake) -> None:
    page = opened(reading.url, phone=True)
    expect_state(page, "Ready")
    expect(page.locator("#models")).to_be_hidden()
    assert_accessible(page)
    ask(page, QUESTION)
    expect_finished(page)
    expect(page.locator("#models")).to_contain_text("repeats what it read, sometimes wrongly")
    page.reload()
    for model in MODELS:
        column = side(page, model)
        expect(column).to_contain_text(f"Read first: What is (are) Scurvy ?, {NIDDK}")
        link = column.get_by_role("link", name="What is (are) Scurvy ?")
        expect(link).to_have_attribute("href", URL)
        whole = column.get_by_text(TEXT, exact=True).and_(column.locator("details p"))
        expect(whole).to_be_hidden()
        column.locator("summary").press("Enter")
        expect(whole).to_be_visible()
    tuned = side(page, "fine-tuned")
    expect(tuned).to_contain_text(f"Stands in a published answer: 1. {COMPARE} to compare it.")
    assert_accessible(page)
    assert_fits(page)


def test_where_nothing_was_found_it_says_so_and_offers_nothing_to_compare(
    opened: Open, reading: Fake
) -> None:
    page = opened(reading.url)
    says(reading.fine_tuned, NOT_FOUND)
    says(reading.base, "Zebras cure all of it.")
    ask(page, "zzz qqq")
    expect_finished(page)
    tuned, base = (side(page, model) for model in MODELS)
    for column in (tuned, base):
        expect(column).to_contain_text("Read first: nothing fitting was found.")
    expect(tuned.locator(".answer")).to_have_text(NOT_FOUND)
    expect(tuned).not_to_contain_text("Unchecked")
    expect(tuned.locator("mark")).to_have_count(0)
    expect(base).to_contain_text("Unchecked: 1. Nothing published to compare with.")
    expect(page.locator(".columns")).not_to_contain_text(COMPARE)


@pytest.mark.parametrize("way", ["box", "link"])
def test_what_was_not_to_read_says_that_it_did_not(opened: Open, reading: Fake, way: str) -> None:
    page = opened(reading.url if way == "box" else f"{reading.url}/#question=scurvy&grounded=false")
    if way == "box":
        page.get_by_label("Read published answers first").uncheck()
        ask(page, QUESTION)
    expect_finished(page)
    for model in MODELS:
        expect(side(page, model)).to_contain_text("Read nothing: answered from memory.")
    told = page.evaluate("Object.values(history.state.result).map(({grounded}) => grounded)")
    assert told.count(False) == len(MODELS), "nor did they"


def test_a_service_that_cannot_read_says_nothing_of_it(opened: Open, fake: Fake) -> None:
    page = opened(fake.url)
    ask(page)
    expect_finished(page)
    expect(page.locator(".columns")).not_to_contain_text("Read ")


def test_a_letter_or_a_piece_over_and_over_is_folded(opened: Open, fake: Fake) -> None:
    said = "\n It is =" + "m" * 40 + " and non" + "-base" * 12 + ", to say..."
    says(fake.base, said)
    page = opened(fake.url)
    ask(page)
    expect_finished(page)
    answer = side(page, "base").locator(".answer")
    folded = answer.locator("[data-times]")
    times = folded.evaluate_all("all => all.map(each => each.dataset.times)")
    assert times == ["… and the same 39 times more", "… and the same 11 times more"]
    assert answer.inner_text() == "It is =m and non-base, to say...", "nor does it begin with a gap"
    side(page, "base").get_by_role("button", name="Show the repetition").click()
    assert answer.inner_text() == said.strip()
    assert answer.evaluate("e => e.textContent") == said
