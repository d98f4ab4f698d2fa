"""Records: what is kept renders again to what was printed, and parts of a table add up."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from benchmarks.harness.results import Record, Row, record, report, with_ratios

ROWS: list[Row] = [
    {"case": "theirs", "speed": 20.0},
    {"case": "ours", "speed": 50.0},
    {"case": "absent", "note": "not installed: pip install absent"},
]


def a_record(heading: str = "tokens/s", rows: list[Row] = ROWS) -> Record:
    columns = {heading: "{speed:.1f}", "÷ theirs": "{ratio:.2f} ×"}
    return record("case", "A load.", columns, with_ratios(rows, "speed", "theirs"))


def test_the_table_shows_figures_ratios_and_why_some_are_missing() -> None:
    assert a_record().table().splitlines() == [
        "|  | tokens/s | ÷ theirs |  |",
        "| --- | --- | --- | --- |",
        "| theirs | 20.0 | 1.00 × |  |",
        "| ours | 50.0 | 2.50 × |  |",
        "| absent |  |  | not installed: pip install absent |",
    ]


def test_where_less_is_better_a_ratio_above_one_is_better_too() -> None:
    ours = with_ratios(ROWS, "speed", "ours", lower=True)[0]
    assert ours["ratio"] == 2.5


def test_a_kept_record_renders_to_what_was_printed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = a_record()
    report(made, "new", tmp_path)
    kept = Record.read(tmp_path / "case.json")
    assert capsys.readouterr().out.startswith(kept.markdown())
    assert kept == made
    for named in ("cores", "torch", "python -m benchmarks"):
        assert named in kept.markdown()


def test_nothing_is_kept_unless_asked(tmp_path: Path) -> None:
    report(a_record(), None, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_parts_of_a_table_stand_side_by_side(tmp_path: Path) -> None:
    first: list[Row] = [{"case": "theirs", "speed": 1.0}, {"case": "ours", "speed": 2.0}]
    report(record("case", "A load.", {"one": "{speed:.0f}"}, first), "add", tmp_path)
    second: list[Row] = [{"case": "ours", "many": 9.0}, {"case": "new", "many": 3.0}]
    report(record("case", "A load.", {"many": "{many:.0f}"}, second), "add", tmp_path)
    assert Record.read(tmp_path / "case.json").table().splitlines()[2:] == [
        "| theirs | 1 |  |",
        "| ours | 2 | 9 |",
        "| new |  | 3 |",
    ]


@pytest.mark.parametrize(
    "other", [{"machine": {"processor": "another"}}, {"versions": {"torch": "0.1"}}]
)
def test_parts_of_different_machines_or_versions_are_refused(
    tmp_path: Path, other: dict[str, Any]
) -> None:
    replace(a_record(), **other).keep(tmp_path)
    with pytest.raises(ValueError, match="case: the kept record is of"):
        report(a_record(), "add", tmp_path)


def test_a_record_of_a_gpu_has_its_own_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.get_device_name", lambda: "a GPU")
    made = record("case", "A load.", {}, [], device="cuda")
    assert made.name == "case-cuda"
    assert "a GPU" in made.markdown()


@pytest.mark.parametrize("keep", [[], ["--keep"], ["--keep", "new"], ["--keep", "add"]])
def test_the_command_is_the_one_that_makes_the_figures_again(
    keep: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.argv", ["benchmarks", "case", *keep, "--models", "new model"])
    assert a_record().runs[0].command == "python -m benchmarks case --models 'new model'"
