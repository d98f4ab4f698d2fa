"""A question asked on the page: both models write, finish or are stopped, and are compared."""

import json
import shlex
import subprocess
import time

import httpx
from playwright.sync_api import expect

from app.api.schemas import DISCLAIMER
from tests.app.server_process import Server
from tests.app.web.conftest import ASKED, Fake, Open, ask, expect_finished, expect_state, side


def _places_taken(server: Server) -> int:
    return sum(httpx.get(f"{server.url}/info").json()["in_flight"].values())


def test_both_models_write_and_finish(opened: Open, demo: Server) -> None:
    page = opened(demo.url)
    expect_state(page, "Ready")
    expect(page.locator(".disclaimer p")).to_have_text(DISCLAIMER)
    ask(page, max_new_tokens="80")
    for model in ("fine-tuned", "base"):
        expect(side(page, model)).to_have_attribute("data-state", "writing")
        expect(side(page, model).locator(".answer")).to_have_attribute("aria-busy", "true")
    expect_finished(page)

    body = {"question": ASKED, "max_new_tokens": 80}
    told = httpx.post(f"{demo.url}/compare", json=body, timeout=60).json()
    for model, key in (("fine-tuned", "fine_tuned"), ("base", "base")):
        column = side(page, model)
        assert column.locator(".answer").evaluate("e => e.textContent") == told[key]["answer"]
        stats = column.locator(".stats")
        expect(stats).to_contain_text(f"{told[key]['usage']['completion_tokens']} tokens")
        expect(stats).to_contain_text("tokens/s")
        expect(stats).to_contain_text(" ms")
    expect(side(page, "fine-tuned").locator(".stats")).to_contain_text("ended by itself")
    expect(side(page, "base").locator(".stats")).to_contain_text("cut at the limit")
    expect(page.locator("#summary")).to_contain_text("until it was cut off at 80 tokens")
    expect(page.locator("#announcer")).to_contain_text("Both models are done.")


def test_stop_frees_the_servers_places(opened: Open, demo: Server) -> None:
    page = opened(demo.url)
    stop = page.get_by_role("button", name="Stop")
    for way in ("click", "Escape"):
        ask(page, max_new_tokens="1000", no_repeat_ngram_size="2")
        expect(side(page, "base")).to_have_attribute("data-state", "writing")
        assert _places_taken(demo) > 0
        if way == "click":
            stop.click()
        else:
            page.keyboard.press(way)
        expect(side(page, "base")).to_have_attribute("data-state", "stopped")
        deadline = time.monotonic() + 5
        while _places_taken(demo):
            assert time.monotonic() < deadline, "a stopped answer kept its place"
            time.sleep(0.05)
        written = side(page, "base").locator(".answer").inner_text()
        assert written, "what was written stays"
        expect(stop).to_be_hidden()


def test_a_reference_scores_both(opened: Open, demo: Server) -> None:
    page = opened(demo.url)
    reference = "Hemophilia is inherited in an X-linked recessive pattern."
    ask(page, max_new_tokens="20", reference=reference)
    expect_finished(page)
    body = {"question": ASKED, "max_new_tokens": 20, "reference": reference}
    told = httpx.post(f"{demo.url}/compare", json=body, timeout=60).json()
    table = page.get_by_role("table", name="Against your reference answer")
    for place, key in ((0, "fine_tuned"), (1, "base")):
        cells = [row.locator("td").nth(place) for row in table.locator("tbody tr").all()]
        scores = told[key]["scores"]
        expect(cells[0]).to_contain_text(f"{int(100 * scores['rouge_l'] + 0.5)}%")
        expect(cells[1]).to_contain_text(f"{int(100 * scores['token_f1'] + 0.5)}%")
        expect(cells[2]).to_contain_text(f"{scores['bits_per_byte']:.2f}")
    expect(table.locator("td.better")).to_have_count(3)


def test_the_keyboard_is_enough(opened: Open, demo: Server) -> None:
    page = opened(demo.url)
    expect(page.get_by_label("Your question")).to_be_focused()
    page.keyboard.type("Is it")
    page.keyboard.press("Shift+Enter")
    page.keyboard.type("inherited?")
    expect(page.get_by_label("Your question")).to_have_value("Is it\ninherited?")
    page.keyboard.press("Tab")
    expect(page.get_by_role("button", name="Settings")).to_be_focused()
    page.keyboard.press("Enter")
    page.get_by_label("Longest answer").focus()
    page.keyboard.type("8")
    page.keyboard.press("Enter")
    expect_finished(page)
    expect(page.locator("#asked")).to_have_text("Is it\ninherited?")


def test_what_is_wrong_is_said_at_its_field(opened: Open, demo: Server) -> None:
    page = opened(demo.url)
    page.get_by_role("button", name="Ask both").click()
    expect(page.locator("#question-error")).to_have_text("Write a question first.")
    ask(page, max_new_tokens="100000")
    expect(page.locator("#max_new_tokens-error")).to_contain_text("at most")
    expect(page.get_by_label("Longest answer")).to_be_focused()
    ask(page, max_new_tokens="5", top_p="0")
    expect(page.locator("#top_p-error")).to_contain_text("above 0")
    ask(page, "x " * 2000 + "x", top_p="")
    expect(page.locator("#question-error")).to_contain_text("4001 characters")
    expect(page.locator("#question-error")).to_be_in_viewport(ratio=1)
    ask(page, "zq " * 1300)
    expect(side(page, "base").locator(".problem")).to_contain_text("tokens")


def test_examples_fill_the_question(opened: Open, fake: Fake) -> None:
    page = opened(fake.url)
    page.get_by_role("button", name="inheritance").click()
    expect(page.get_by_label("Your question")).to_have_value(ASKED)
    expect(page.get_by_label("Your question")).to_be_focused()


def test_history_is_kept_here_and_forgotten(opened: Open, fake: Fake) -> None:
    page = opened(fake.url)
    for question in ("What is asthma?", "What is a stroke?"):
        ask(page, question, reference="A disease of the airways.")
        expect_finished(page)
        expect(page.locator("#history li").first).to_contain_text(question)
    page.reload()
    asked = len(fake.base.prompts)
    page.locator("#history time").nth(1).click()
    expect(page.locator("#asked")).to_have_text("What is asthma?")
    expect(side(page, "fine-tuned").locator(".answer")).to_have_text("A disease.")
    expect(page.get_by_label("A known good answer")).to_have_value("A disease of the airways.")
    expect(page.get_by_role("table")).to_be_visible()
    assert len(fake.base.prompts) == asked, "shown again, not asked again"
    page.get_by_role("button", name="Forget all").click()
    expect(page.locator("#history")).to_be_hidden()
    page.reload()
    expect(page.locator("#history")).to_be_hidden()
    assert page.evaluate("localStorage.getItem('medqa.history')") == "[]"


def test_a_link_asks_the_same_again(opened: Open, fake: Fake) -> None:
    page = opened(fake.url)
    ask(page, "What is 100% & #1?", max_new_tokens="3", reference="It's one.")
    expect_finished(page)
    assert "#" not in page.url, "a question stays out of the browser's own history"
    page.get_by_role("button", name="Copy link").click()
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    link = page.evaluate("navigator.clipboard.readText()")
    assert link.startswith(f"{fake.url}/#")

    other = opened(link)
    expect_finished(other)
    expect(other.locator("#asked")).to_have_text("What is 100% & #1?")
    expect(other.get_by_label("Longest answer")).to_have_value("3")
    expect(other.get_by_label("A known good answer")).to_have_value("It's one.")
    ask(other, "What is asthma?")
    expect(other).to_have_url(f"{fake.url}/")


def test_the_copied_curl_command_asks_the_same(opened: Open, fake: Fake) -> None:
    page = opened(fake.url)
    ask(page, 'What\'s "asthma" & $HOME?', max_new_tokens="3")
    expect_finished(page)
    page.get_by_role("button", name="Copy as curl").click()
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    command = page.evaluate("navigator.clipboard.readText()")
    assert shlex.split(command)[0] == "curl"
    done = subprocess.run(
        ["bash", "-c", command], capture_output=True, text=True, timeout=30, check=True
    )
    assert json.loads(done.stdout)["question"] == 'What\'s "asthma" & $HOME?'
    assert json.loads(done.stdout)["base"]["decoding"]["max_new_tokens"] == 3


def test_an_answer_can_be_copied(opened: Open, fake: Fake) -> None:
    page = opened(fake.url)
    ask(page)
    expect_finished(page)
    side(page, "fine-tuned").get_by_role("button", name="Copy answer").click()
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    assert page.evaluate("navigator.clipboard.readText()") == "A disease."
