"""README.md's figures are those that are kept."""

from pathlib import Path

import pytest

from benchmarks import readme
from benchmarks.harness.results import record
from tests.test_readme import README


def test_the_readme_shows_what_is_kept() -> None:
    assert readme.rendered(README) == README, "run `python -m benchmarks readme`"


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
