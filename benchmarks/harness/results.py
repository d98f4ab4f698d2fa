"""A benchmark's run as a record: what was measured, on which machine, and how to make it again.

A record is one table. Its rows hold plain numbers; its columns say how they are shown, so that a
kept file renders to the same Markdown wherever it is read. `--keep` writes it to
`benchmarks/results/NAME.json`; without it a run is only printed, and nobody's laptop overwrites the
figures in the README by accident. A run on a GPU has a name of its own, `NAME-cuda`.
"""

import argparse
import json
import platform
import shlex
import sys
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from string import Formatter
from typing import Self

import torch

from benchmarks.harness.machine import machine, revision, versions

KEPT = Path(__file__).parents[1] / "results"
_WAYS = ("new", "add")
_ALWAYS = ("torch", "transformers")

Value = str | float | None
Row = dict[str, Value]


@dataclass(frozen=True, slots=True)
class Run:
    """When, from which commit and by which command some of the figures were made."""

    date: str
    revision: str
    command: str

    @classmethod
    def now(cls) -> Self:
        """Return this process' own run."""
        date = datetime.now(UTC).date().isoformat()
        return cls(date, revision(), shlex.join(["python", "-m", "benchmarks", *_arguments()]))


@dataclass(frozen=True, slots=True)
class Record:
    """One table and where it comes from.

    `columns` maps each heading to a template over a row's keys, such as
    `{"tokens/s": "{speed:.1f}", "ratio": "{ratio:.2f}"}`; a cell whose keys a row lacks is
    empty. Each row has a `case`, and may have a `note` (shown in a last column): why it has no
    figures. `title` is a sentence: the load and the unit. `baseline` is the case that ratios are
    taken against.
    """

    name: str
    title: str
    baseline: str
    columns: dict[str, str]
    rows: list[Row]
    machine: dict[str, Value]
    versions: dict[str, str]
    runs: list[Run]

    @classmethod
    def read(cls, path: Path) -> Self:
        """Return what `keep` wrote."""
        fields = json.loads(path.read_text(encoding="utf-8"))
        return cls(**fields | {"runs": [Run(**run) for run in fields["runs"]]})

    def keep(self, directory: Path = KEPT) -> Path:
        """Write the record to its file, and return that."""
        directory.mkdir(parents=True, exist_ok=True)
        path = directory / f"{self.name}.json"
        path.write_text(json.dumps(asdict(self), indent=1, ensure_ascii=False) + "\n", "utf-8")
        return path

    def added_to(self, kept: Self) -> Self:
        """Return `kept` with this run's columns and rows beside its own: a long case in parts.

        Rows meet by their `case`. Ratios stay those of the run that measured both sides.

        Raises:
            ValueError: the other was measured on another machine or other versions.

        """
        if (kept.machine, kept.title, kept.baseline) != (self.machine, self.title, self.baseline):
            raise ValueError(f"{self.name}: the kept record is of another machine or load")
        if any(self.versions.get(name, its) != its for name, its in kept.versions.items()):
            raise ValueError(f"{self.name}: the kept record is of other versions")
        rows = {str(row["case"]): row for row in kept.rows}
        for row in self.rows:
            case = str(row["case"])
            rows[case] = rows.get(case, {}) | row
        return replace(
            self,
            columns=kept.columns | self.columns,
            rows=list(rows.values()),
            versions=kept.versions | self.versions,
            runs=[run for run in kept.runs if run.command != self.runs[0].command] + self.runs,
        )

    def table(self) -> str:
        """Return the rows as a Markdown table."""
        noted = any(row.get("note") for row in self.rows)
        headings = ["", *self.columns, *([""] if noted else [])]
        lines = [headings, ["---"] * len(headings)]
        for row in self.rows:
            cells = [_cell(template, row) for template in self.columns.values()]
            lines.append([str(row["case"]), *cells, *([str(row.get("note", ""))] if noted else [])])
        return "\n".join("| " + " | ".join(line) + " |" for line in lines)

    def markdown(self) -> str:
        """Return title, table, and in one paragraph the machine, the versions and the commands."""
        machine = ", ".join(str(value) for value in self.machine.values() if value)
        versions = ", ".join(f"{name} {version}" for name, version in self.versions.items())
        dates = " and ".join(sorted({run.date for run in self.runs}))
        commands = "\n".join(run.command for run in self.runs)
        source = f"{machine}; {versions}; {dates}. Made by"
        return f"{self.title}\n\n{self.table()}\n\n{source}\n\n```sh\n{commands}\n```"


def record(
    name: str,
    title: str,
    columns: dict[str, str],
    rows: list[Row],
    *,
    baseline: str = "",
    packages: tuple[str, ...] = (),
    device: str | torch.device = "cpu",
) -> Record:
    """Return this run's record; `packages` are the distributions that it measured besides torch.

    One that is not installed is left out: its row says so.
    """
    kind = torch.device(device).type
    return Record(
        name=name if kind == "cpu" else f"{name}-{kind}",
        title=title,
        baseline=baseline,
        columns=columns,
        rows=rows,
        machine=dict(machine(kind)),
        versions={"Python": platform.python_version()} | versions((*_ALWAYS, *packages)),
        runs=[Run.now()],
    )


def with_ratios(
    rows: list[Row], metric: str, baseline: str, *, ratio: str = "ratio", lower: bool = False
) -> list[Row]:
    """Return the rows with `ratio`: their metric over that of the case named `baseline`.

    With `lower`, the baseline's over theirs: above 1 is better either way.
    """
    base = next(row[metric] for row in rows if row["case"] == baseline)
    done: list[Row] = []
    for row in rows:
        value = row.get(metric)
        if isinstance(value, float | int) and isinstance(base, float | int):
            done.append(row | {ratio: base / value if lower else value / base})
        else:
            done.append(row)
    return done


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare `--keep`, which `benchmarks.__main__` gives to every case."""
    parser.add_argument(
        "--keep",
        nargs="?",
        const="new",
        choices=_WAYS,
        help="write the record to benchmarks/results; `add`: beside the kept columns and rows",
    )


def report(made: Record, keep: str | None, directory: Path = KEPT) -> None:
    """Print a record, and keep it if asked."""
    print(made.markdown(), flush=True)
    path = directory / f"{made.name}.json"
    if keep == "add" and path.exists():
        made = made.added_to(Record.read(path))
    if keep:
        print(f"\nkept as {made.keep(directory)}")


def _cell(template: str, row: Row) -> str:
    keys = [name for _, name, _, _ in Formatter().parse(template) if name]
    if any(row.get(key) is None for key in keys):
        return ""
    return template.format_map(row)


def _arguments() -> list[str]:
    """Return this process' arguments without `--keep` and its value, which change no figure."""
    kept: list[str] = []
    for each in sys.argv[1:]:
        if each in _WAYS and kept and kept[-1] == "--keep":
            kept.pop()
        else:
            kept.append(each)
    return [each for each in kept if each != "--keep"]
