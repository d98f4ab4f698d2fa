"""How many messages are flagged, with the interval that so few messages leave.

`python -m tests.app.red_flags.rates` prints every set's rates; with
`--questions TABLE COLUMN` also the share of a table's questions, which ask and need nobody.
"""

import argparse
import csv
import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from app.red_flags.notices import notices

SETS = Path(__file__).parent / "messages"
_Z = 1.96  # of 95%


def messages(name: str) -> list[tuple[str, str | None]]:
    """Return a set's messages and their kinds, None for a harmless one."""
    lines = (SETS / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()
    return [(line["text"], line["kind"]) for line in map(json.loads, lines)]


def kinds(text: str) -> list[str]:
    """Return the kinds of the notices that a text gets."""
    return [notice.kind for notice in notices(text, "US")]


def flagged(texts: Iterable[str]) -> list[bool]:
    """Return whether each text gets a notice."""
    return [bool(kinds(text)) for text in texts]


def rate(found: Sequence[bool]) -> str:
    """Return "17 of 20 (85%, 64-95%)": with Wilson's interval of 95%."""
    number, share = len(found), sum(found) / len(found)
    centre = share + _Z**2 / (2 * number)
    half = _Z * (share * (1 - share) / number + _Z**2 / (4 * number**2)) ** 0.5
    low, high = (abs(centre + sign * half) / (1 + _Z**2 / number) for sign in (-1, 1))
    digits = 0 if number < 1000 else 2
    return (
        f"{sum(found)} of {number} "
        f"({100 * share:.{digits}f}%, {100 * low:.{digits}f}-{100 * high:.{digits}f}%)"
    )


def _rates(names: Sequence[str]) -> Iterator[str]:
    for name in names:
        said = messages(name)
        needed = [(text, kind) for text, kind in said if kind]
        noticed = rate(flagged(text for text, _ in needed))
        right = sum(kind in kinds(text) for text, kind in needed)
        harmless = rate(flagged(text for text, kind in said if not kind))
        yield f"{name}: noticed {noticed}, {right} by the right kind; harmless {harmless}"


def main() -> None:
    """Print the rates of all sets, or of some."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "sets", nargs="*", default=sorted(path.stem for path in SETS.glob("*.jsonl"))
    )
    parser.add_argument("--questions", nargs=2, metavar=("TABLE", "COLUMN"))
    arguments = parser.parse_args()
    for line in _rates(arguments.sets):
        print(line)
    if arguments.questions:
        table, column = arguments.questions
        with Path(table).open(encoding="utf-8", newline="") as rows:
            questions = dict.fromkeys(row[column] for row in csv.DictReader(rows))
        print(f"questions: {rate(flagged(questions))}")


if __name__ == "__main__":
    main()
