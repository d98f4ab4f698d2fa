"""The page says openly what was measured, needs no other file, and takes no text for markup."""

import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from tests.training.conftest import PAIRS, write_table
from training.evaluate import Extent, evaluate
from training.report.model_report import report

HOSTILE = "What is <script>alert(1)</script> & asthma?"
LOG = [
    {"step": 10, "loss": 3.5},
    {"step": 20, "loss": 2.5},
    {"step": 20, "eval_loss": 2.75},
    {"step": 40, "eval_loss": 2.5},
    {"step": 60, "eval_loss": 2.625},
    {"step": 60, "train_runtime": 1.0},
]
Found = tuple[dict[str, Any], list[dict[str, Any]]]


@pytest.fixture(scope="module")
def found(pair: Path, tmp_path_factory: pytest.TempPathFactory) -> Found:
    test = {f"What is number {number}?": f"The {number}th thing." for number in range(8)}
    splits = {"train": PAIRS, "test_unseen": test | {HOSTILE: "Nothing."}, "test_seen": test}
    data = write_table(tmp_path_factory.mktemp("report") / "data", splits)
    extent = Extent(("test_unseen", "test_seen", "random"), max_new_tokens=8)
    return evaluate(pair / "fine-tuned", str(pair / "base"), data, extent)


@pytest.fixture(scope="module")
def html(found: Found) -> str:
    return report(*found, {"Fine-tuning": LOG})


class Outline(HTMLParser):
    """What stands on a page: its tags' addresses, its scripts, its headings."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.addresses: list[str] = []
        self.scripts = 0
        self.headings: list[str] = []
        self._heading = False
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.scripts += tag == "script"
        self._heading = tag in ("h2", "h3", "h4")
        for name, value in attrs:
            if name in ("src", "href", "xlink:href"):
                self.addresses.append(value or "")

    def handle_data(self, data: str) -> None:
        if self._heading:
            self.headings.append(data)
            self._heading = False


def test_the_page_needs_no_other_file_and_runs_nothing(html: str) -> None:
    outline = Outline(html)
    assert outline.scripts == 0
    assert all(address.startswith("#") for address in outline.addresses)
    assert not re.search(r"url\((?!#)", html)
    assert HOSTILE in outline.headings


def test_every_section_stands_there(html: str) -> None:
    headings = Outline(html).headings
    for wanted in (
        "Test, topics never seen",
        "Beside the baselines",
        "Every split",
        "Learning curves",
        "By question type and source",
        "9 samples",
        "What it is not for",
        "How it was measured",
    ):
        assert wanted in headings
    assert {"Published", "Fine-tuned", "Base", "Nearest question", "Canned answer"} <= set(headings)


def test_figures_baselines_and_leaks_are_said_in_words(found: Found, html: str) -> None:
    text = re.sub(r"\s+", " ", html)
    split = found[0]["splits"]["test_unseen"]
    bits = split["systems"]["fine_tuned"]["bits_per_byte"]["value"]
    assert f"the fine-tuned model {bits:.3f}" in text
    for other in ("nearest", "canned"):
        distance = split["differences"][other]["rouge_l"]["value"]
        assert f"{distance:+.3f}".replace("-", "\u2212") in text
    assert "Not for medical advice" in text
    assert "4 of" not in text
    share = found[0]["splits"]["random"]["trained_share"]
    assert f"leaks: {share:.1%} of those rows" in text


def test_the_best_validation_loss_is_named(html: str) -> None:
    assert "Lowest validation loss 2.500 at update 40." in html


def test_a_model_without_a_log_has_no_curves(found: Found) -> None:
    assert "Learning curves" not in report(*found, {})
