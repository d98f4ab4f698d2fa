"""The READMEs' figures are those that are kept."""

from pathlib import Path

import pytest

from benchmarks import readme
from benchmarks.harness.results import KEPT, record


@pytest.mark.parametrize("page", readme.PAGES, ids=lambda page: page.parent.name)
def test_the_pages_show_what_is_kept(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert readme.rendered(text) == text, "run `python -m benchmarks readme`"


def test_the_room_of_benchmarks_shows_all_that_is_kept() -> None:
    text = readme.PAGES[-1].read_text(encoding="utf-8")
    kept = {path.stem for path in KEPT.glob("*.json")}
    assert {name for name in kept if f"<!-- benchmarks: {name} -->" not in text} <= {"growth"}


def test_a_block_is_made_anew_and_the_rest_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(readme, "KEPT", tmp_path)
    record("case", "A load.", {"s": "{s:.1f}"}, [{"case": "ours", "s": 1.25}]).keep(tmp_path)
    text = "Before.\n\n<!-- benchmarks: case -->\nold, 9.9\n<!-- end -->\n\nAfter 9.9.\n"
    made = readme.rendered(text)
    assert "| ours | 1.2 |" in made
    assert "old" not in made
    assert made.startswith("Before.\n\n<!-- benchmarks: case -->\n\nA load.\n")
    assert made.endswith("\n```\n\n<!-- end -->\n\nAfter 9.9.\n")
    assert readme.rendered(made) == made


def test_a_figure_that_is_not_kept_is_an_error() -> None:
    with pytest.raises(FileNotFoundError, match=r"nothing\.json"):
        readme.rendered("<!-- benchmarks: nothing -->\n<!-- end -->\n")
