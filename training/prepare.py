"""`python -m training prepare`: MedQuAD in, the tables and texts that training reads out.

Written to --out:
    seed.csv         the original notebook's six columns: 16,412 rows, nothing cleaned
    medquad.csv      every row with provenance, cleaned question and answer, flags and split
    train_data.txt   the notebook's 400 training pairs, `<question>…<answer>…<end>`, one a line
    val_data.txt     its 100 validation pairs
    stats.json       counts, digest and versions, to compare with a later run

The columns of medquad.csv, all text, "" for what is missing; rows in the notebook's order:
    Focus, CUI, SemanticType, SemanticGroup, Question, Answer   as in seed.csv
    Source, Collection, File, URL         the document: GARD, 2_GARD_QA, 0000009.xml, its page
    QuestionId, QuestionType              the question's `qid` (from a CSV, row-0 on) and `qtype`
    Synonyms, AllCUIs                     of the document's focus, joined by "|"
    LowerCaseSchema                       "1" in the four documents that the notebook missed
    FocusFixed                            Focus, three CDC documents' blank one filled in
    QuestionClean, AnswerClean            what to learn from
    Flags, Keep                           why not to, or `hpo`; "1" to keep, "0" to drop
    Generic                               "1" for an answer that stands under many foci
    GroupId, Split                        the topic group; where the row goes (`data.splits`)
    SeedRow                               "train" or "valid" for the notebook's 400 and 100
"""

import argparse
import json
import logging
import platform
from pathlib import Path
from typing import Any

import pandas as pd

from training.data import cleaning, splits
from training.data.cleaning import WHY
from training.data.download import COMMIT, URL, download
from training.data.medquad import NOTEBOOK_COLUMNS, read_table
from training.data.near_synonyms import near_synonyms
from training.errors import DataError
from training.files import make_directory, write_whole
from training.prompt import render

DIGEST = "c55c01f913a3120a7b1f3d3c1ab91cd1b690a0b560ed6fabc9fe81c0e3558bed"
"""SHA-256 of collections 1-9 at the pinned commit; see `medquad.content_digest`."""

logger = logging.getLogger(__name__)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    parser.add_argument(
        "--source",
        type=Path,
        help="MedQuAD as a zip or an unpacked directory, or a table with the columns Question and "
        "Answer, better also Focus: .csv, .tsv, .json, .jsonl, gzipped or zipped "
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
        DataError: the source is missing, damaged, a download that is not MedQuAD, or holds
            nothing to learn from; or `out` cannot be written.
    """
    fetched = source is None
    source = source or download(url, out / f"MedQuAD-{COMMIT[:7]}.zip", _check)
    table, digest = read_table(source)
    if fetched and digest != DIGEST:  # a file of that name was there, and nobody vouched for it
        raise DataError(f"{source} is not MedQuAD at {COMMIT[:7]}: delete it to fetch it again")
    if digest != DIGEST:
        logger.warning("%s differs from the pinned MedQuAD: figures will differ too", source)
    notebook = table.loc[table["LowerCaseSchema"] == "", NOTEBOOK_COLUMNS]
    cleaned = splits.split(cleaning.clean(table))
    _tell_what_is_missing(cleaned, source)
    stats = _stats(notebook, cleaned, source, digest)
    make_directory(out)
    texts = {
        "seed.csv": notebook.to_csv(index=False),
        "medquad.csv": cleaned.to_csv(index=False),
        "train_data.txt": "".join(_lines(cleaned[cleaned["SeedRow"] == "train"])),
        "val_data.txt": "".join(_lines(cleaned[cleaned["SeedRow"] == "valid"])),
        "stats.json": json.dumps(stats, indent=2) + "\n",
    }
    for name, text in texts.items():
        write_whole(out / name, text.encode())
    return stats


def _tell_what_is_missing(cleaned: pd.DataFrame, source: Path) -> None:
    """Say what recipes and evaluations will not find.

    Raises:
        DataError: there is nothing to learn from.
    """
    kept = cleaned[cleaned["Keep"] == "1"]
    if kept.empty:
        flags = cleaned["Flags"].value_counts()
        why = ", ".join(f"{WHY[str(flag)]} ({count:,})" for flag, count in flags.items())
        raise DataError(f"{source}: none of its {len(cleaned):,} rows can be learned from: {why}")
    if not (cleaned["FocusFixed"] != "").any():
        logger.warning(
            "no row names its topic: each question counts as one, so that tests may ask about "
            "what was trained on. Fill in a column Focus"
        )
    counts = cleaned["Split"].value_counts()
    lacking = [name for name in ("train", "valid_unseen", "test_unseen") if name not in counts]
    if "train" in lacking and "heldout" in counts:
        logger.warning(
            "no row for train: all that are not tested on have the question, or nearly the answer, "
            "of one that is. Have each question name its topic"
        )
    elif lacking:
        logger.warning(
            "no row for %s: %s rows of %s topics are too few to train, validate and test on "
            "topics of their own, which takes three or more. Add rows of other topics, or name "
            "the topics that there are in the column Focus",
            " and ".join(lacking),
            f"{len(kept):,}",
            kept["GroupId"].nunique(),
        )


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


def _stats(
    notebook: pd.DataFrame, cleaned: pd.DataFrame, source: Path, digest: str
) -> dict[str, Any]:
    def counts(column: str) -> dict[str, int]:
        return {str(key): int(count) for key, count in cleaned[column].value_counts().items()}

    unseen = cleaned[cleaned["Split"] == "test_unseen"]
    return {
        "source": source.name,
        "digest": digest,
        "pinned": digest == DIGEST,
        "seed_rows": len(notebook),
        "seed_missing": {
            column: int((notebook[column] == "").sum()) for column in NOTEBOOK_COLUMNS
        },
        "rows": len(cleaned),
        "answered": int((cleaned["Answer"] != "").sum()),
        "kept": int((cleaned["Keep"] == "1").sum()),
        "flags": {flag or "none": count for flag, count in counts("Flags").items()},
        "generic": int((cleaned["Generic"] == "1").sum()),
        "splits": counts("Split"),
        "groups": int(cleaned["GroupId"].nunique()),
        "test_unseen_groups": int(unseen["GroupId"].nunique()),
        "near_synonyms": {
            split: near_synonyms(cleaned, split) for split in ("test_unseen", "valid_unseen")
        },
        "python": platform.python_version(),
        "pandas": pd.__version__,
    }
