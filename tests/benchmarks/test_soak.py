"""The soak on the tiny pair for some seconds, and its verdict on soaks that went wrong."""

import argparse
import asyncio
from pathlib import Path

import pytest

from benchmarks import soak
from benchmarks.harness import results
from benchmarks.harness.servers import pair as serving
from benchmarks.harness.soak_report import Ended, Rest, Sample, Soaked, broken, figure, show, table


@pytest.mark.long
def test_soaks_a_server_and_finds_nothing_amiss(
    pair: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    parser = argparse.ArgumentParser()
    soak.add_arguments(parser)
    options = "--minutes 0.1 --warm-up-seconds 2 --capacity-seconds 2 --sample-seconds 0.2"
    arguments = parser.parse_args([*options.split(), "--longest-words=5", "--burst-seconds=4"])
    with serving(pair / "fine-tuned", pair / "base", cpu_threads="1", references="none") as served:
        soaked = asyncio.run(soak.soak(served, arguments))
    seen = [*soaked.warming, *soaked.ended]
    assert [each for each in seen if not each.explained] == []
    assert {"answer", "compare", "chat", "search", "malformed"} <= {each.kind for each in seen}
    assert {"200", "429", "left"} <= {each.outcome for each in seen}
    assert any(sample.running for sample in soaked.samples)
    assert (soaked.after.running, soaked.after.waiting) == (0, 0)
    assert soaked.samples[-1].tokens > soaked.samples[0].tokens
    show(soaked)
    assert "| malformed | 422 |" in capsys.readouterr().out
    assert "| unexplained 5xx | 0.00 |" in table(soaked).table()
    figure(soaked, tmp_path / "soak.png")
    assert (tmp_path / "soak.png").read_bytes().startswith(b"\x89PNG")


def _soaked(
    *,
    megabytes_per_sample: int = 0,
    outcome: str = "200",
    slower: float = 1.0,
    after: Rest | None = None,
) -> Soaked:
    rest = Rest(2**30, 20, 10, 0, 0)
    samples = [
        Sample(float(n), 2**30 + n * megabytes_per_sample * 2**20, 30, 10, n * 0.1, 1, 0, n * 100.0)
        for n in range(30)
    ]
    answers = [Ended(float(n), "answer", "200", 1.0 if n < 20 else slower, True) for n in range(30)]
    ended = [*answers, Ended(30.0, "compare", outcome, 1.0, outcome == "200")]
    return Soaked(5.0, [], ended, samples, rest, after or rest)


def test_a_flat_soak_breaks_no_bound() -> None:
    assert broken(_soaked()) == []


@pytest.mark.parametrize(
    ("soaked", "names"),
    [
        (_soaked(megabytes_per_sample=4), {"memory, MiB"}),
        (_soaked(slower=3.0), {"seconds for /answer, p50", "seconds for /answer, p95"}),
        (_soaked(outcome="500"), {"unexplained 5xx", "unexplained outcomes"}),
        (_soaked(outcome="200, a side 504"), {"unexplained 5xx", "unexplained outcomes"}),
        (_soaked(outcome="200, then server_error"), {"unexplained 5xx", "unexplained outcomes"}),
        (_soaked(outcome="no response"), {"unexplained outcomes"}),
        (_soaked(after=Rest(2**30, 20, 10, 1, 0)), {"places held, at rest"}),
        (_soaked(after=Rest(2**30, 21, 10, 0, 0)), {"file descriptors, at rest"}),
        (_soaked(after=Rest(2**30, 20, 11, 0, 0)), {"threads, at rest"}),
    ],
)
def test_names_what_grew_leaked_or_failed(soaked: Soaked, names: set[str]) -> None:
    assert {measure.name for measure in broken(soaked)} == names
    assert isinstance(table(soaked), results.Record)
