"""What counts as in time, and what a peer that is not installed leaves behind."""

import argparse
import sys
from pathlib import Path

import pytest

from benchmarks import arrivals
from benchmarks.arrivals import Answer
from benchmarks.harness import contenders


def _arguments(*given: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    arrivals.add_arguments(parser)
    return parser.parse_args(["--seconds=10", "--new-tokens=11", *given])


def test_only_whole_answers_within_both_limits_are_in_time() -> None:
    answers = [
        Answer(200, 0.5, 1.5),  # 0.1 s for each further token
        Answer(200, 1.5, 2.0),  # began late
        Answer(200, 0.5, 4.5),  # too slow after that
        Answer(429, None, None),
        Answer(0, None, None),
    ]
    row = arrivals.figures(answers, 0.05, _arguments("--machine-price-per-hour=3.6"))
    assert row["good"] == pytest.approx(0.1)
    assert row["ratio"] == pytest.approx(2.0)
    assert row["share"] == pytest.approx(0.2)
    assert row["refused"] == pytest.approx(0.2)
    assert row["unfinished"] == pytest.approx(0.2)
    assert row["speed"] == pytest.approx(3.3)
    assert row["dollars"] == pytest.approx(10.0)  # 0.01 $ for ten seconds, one answer
    assert row["first50"] == pytest.approx(0.5)
    assert row["token50"] == pytest.approx(100.0)


def test_nothing_in_time_has_no_price() -> None:
    row = arrivals.figures([Answer(0, None, None)], 1.0, _arguments())
    assert row["good"] == 0.0
    assert "dollars" not in row
    assert "first50" not in row


def test_a_peer_that_is_not_there_is_named_with_how_to_get_it(tmp_path: Path) -> None:
    missing = contenders.Way(lambda _: pytest.fail("started"), "no_such_peer", "/", lambda *_: {})
    (row,) = arrivals.rows_at({"missing": missing}, tmp_path, 2.0, 3.0, _arguments())
    assert "pip install" in str(row["note"])
    assert "no_such_peer" in str(row["note"])
    assert "good" not in row
    there = missing._replace(package="json")
    assert contenders.installed(there, sys.executable)


@pytest.mark.parametrize("name", contenders.ways_of("python"))
def test_every_server_is_asked_for_the_same(name: str) -> None:
    body = contenders.ways_of("python")[name].body("Why?", 7)
    assert "Why?" in str(body.get("question", body.get("prompt")))
    assert body.get("max_new_tokens", body.get("max_tokens")) == 7
