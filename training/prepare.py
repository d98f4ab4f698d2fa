"""`python -m training prepare`: MedQuAD in, the tables and texts that training reads out.

Written to --out:
    seed.csv         the seed's six columns: 16,412 rows, nothing cleaned
    medquad.csv      every row with provenance, cleaned question and answer, flags and split
    train_data.txt   the seed's 400 training pairs, `<question>…<answer>…<end>`, one a line
    val_data.txt     its 100 validation pairs
    stats.json       counts, digest and versions, to compare with a later run

The columns of medquad.csv, all text, "" for what is missing; rows in the seed's order:
    Focus, CUI, SemanticType, SemanticGroup, Question, Answer   as in seed.csv
    Source, Collection, File, URL         the document: GARD, 2_GARD_QA, 0000009.xml, its page
    QuestionId, QuestionType              the question's `qid` (from a CSV, row-0 on) and `qtype`
    Synonyms, AllCUIs                     of the document's focus, joined by "|"
    LowerCaseSchema                       "1" in the four documents that the seed missed
    FocusFixed                            Focus, three CDC documents' blank one filled in
    QuestionClean, AnswerClean            what to learn from
    Flags, Keep                           why not to, or `hpo`; "1" to keep, "0" to drop
    Generic                               "1" for an answer that stands under many foci
    GroupId, Split                        the topic group; where the row goes (`data.splits`)
    SeedRow                               "train" or "valid" for the 400 and 100 of the seed's
"""

import argparse
import json
import logging
import platform
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd

from training.data import cleaning, splits
from training.data.download import COMMIT, URL, download
from training.data.medquad import SEED_COLUMNS, read_table
from training.errors import DataError
from training.prompt import render

DIGEST = "c55c01f913a3120a7b1f3d3c1ab91cd1b690a0b560ed6fabc9fe81c0e3558bed"
"""SHA-256 of collections 1-9 at the pinned commit; see `medquad.content_digest`."""

logger = logging.getLogger(__name__)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    parser.add_argument(
        "--source",
        type=Path,
        help="MedQuAD as a zip, an unpacked directory, or a CSV in the seed's format "
        "(default: download it)",
    )
    parser.add_argument("--out", type=Path, default=Path("data"), help="directory to write to")


def run(arguments: argparse.Namespace) -> int:
    """Run the command."""
    stats = prepare(arguments.source, arguments.out)
    print(json.dumps(stats, indent=2))
    return 0


def prepare(source: Path | None, out: Path, url: str = URL) -> dict[str, Any]:
    """Write everything to `out`; return the statistics.

    Raises:
        DataError: the source is missing, damaged, or a download that is not MedQuAD.
    """
    fetched = source is None
    source = source or download(url, out / f"MedQuAD-{COMMIT[:7]}.zip", _check)
    table, digest = read_table(source)
    if fetched and digest != DIGEST:  # a file of that name was there, and nobody vouched for it
        raise DataError(f"{source} is not MedQuAD at {COMMIT[:7]}: delete it to fetch it again")
    if digest != DIGEST:
        logger.warning("%s differs from the pinned MedQuAD: figures will differ too", source)
    seed = table.loc[table["LowerCaseSchema"] == "", SEED_COLUMNS]
    cleaned = splits.split(cleaning.clean(table))
    stats = _stats(seed, cleaned, source, digest)
    _make(out)
    _write(out / "seed.csv", lambda path: seed.to_csv(path, index=False))
    _write(out / "medquad.csv", lambda path: cleaned.to_csv(path, index=False))
    for name, rows in (("train_data.txt", "train"), ("val_data.txt", "valid")):
        text = "".join(_lines(cleaned[cleaned["SeedRow"] == rows]))
        _write(out / name, _text_writer(text))
    _write(out / "stats.json", _text_writer(json.dumps(stats, indent=2) + "\n"))
    return stats


def _check(archive: Path) -> None:
    _, digest = read_table(archive)
    if digest != DIGEST:
        raise DataError(
            f"the archive fetched is not MedQuAD at {COMMIT[:7]}: its documents' digest is {digest}"
        )


def _lines(rows: pd.DataFrame) -> list[str]:
    return [
        render(question, answer) + "\n"
        for question, answer in zip(rows["QuestionClean"], rows["AnswerClean"], strict=True)
    ]


def _text_writer(text: str) -> Callable[[Path], object]:
    return lambda path: path.write_text(text, encoding="utf-8")


def _make(directory: Path) -> None:
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataError(f"{directory} could not be written: {error}") from error


def _write(path: Path, write: Callable[[Path], object]) -> None:
    """Let `write` fill a file that takes its name only when it is whole."""
    unfinished = path.with_name(f".{path.name}.unfinished")
    try:
        write(unfinished)
        unfinished.replace(path)
    except OSError as error:
        unfinished.unlink(missing_ok=True)
        raise DataError(f"{path} could not be written: {error}") from error


def _stats(seed: pd.DataFrame, cleaned: pd.DataFrame, source: Path, digest: str) -> dict[str, Any]:
    def counts(column: str) -> dict[str, int]:
        return {str(key): int(count) for key, count in cleaned[column].value_counts().items()}

    unseen = cleaned[cleaned["Split"] == "test_unseen"]
    return {
        "source": source.name,
        "digest": digest,
        "pinned": digest == DIGEST,
        "seed_rows": len(seed),
        "seed_missing": {column: int((seed[column] == "").sum()) for column in SEED_COLUMNS},
        "rows": len(cleaned),
        "answered": int((cleaned["Answer"] != "").sum()),
        "kept": int((cleaned["Keep"] == "1").sum()),
        "flags": {flag or "none": count for flag, count in counts("Flags").items()},
        "generic": int((cleaned["Generic"] == "1").sum()),
        "splits": counts("Split"),
        "groups": int(cleaned["GroupId"].nunique()),
        "test_unseen_groups": int(unseen["GroupId"].nunique()),
        "python": platform.python_version(),
        "pandas": pd.__version__,
    }
