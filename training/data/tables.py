"""Other people's tables of questions and answers: CSV and its kin, with MedQuAD's column names.

What is unambiguous is read, and said: separators, encodings, compression, other names of a column.
The rest is refused with what was seen and what to do. Knows nothing about MedQuAD's XML.
"""

import csv
import io
import json
import logging
import re
from collections.abc import Sequence
from pathlib import PurePath
from typing import Any

import pandas as pd

from training.data.file_content import check_text
from training.errors import DataError

NEEDED = ("Question", "Answer")
KINDS = ".csv, .tsv, .json or .jsonl, as it is or gzipped"
"""What a table's name may end in."""
_NAMES = {
    "Focus": ("focus", "focusarea", "questionfocus"),
    "CUI": ("cui", "umlscui"),
    "SemanticType": ("semantictype", "umlssemantictypes"),
    "SemanticGroup": ("semanticgroup", "umlssemanticgroup"),
    "Question": ("question",),
    "Answer": ("answer",),
    "QuestionType": ("questiontype", "qtype"),
    "Source": ("source", "documentsource"),
    "URL": ("url", "documenturl"),
    "Synonyms": ("synonyms",),
}
"""Our columns, and what the notebook's CSV, Kaggle's and the hub's copies of MedQuAD call them."""

_SEPARATORS = {".csv": ",;\t|", ".tsv": "\t"}
_JSON = (".jsonl", ".ndjson", ".json")
_OTHERS = (".parquet", ".arrow", ".feather", ".xlsx", ".xls", ".ods", ".sqlite", ".db", ".pkl")
_MISSING = frozenset({"nan", "-nan", "none", "null", "na", "n/a", "<na>", "#n/a", "#na", "nil"})
"""How programs write that there is no value, in any case: pandas, R, Excel and databases."""
_WORD = re.compile(r"\w")

logger = logging.getLogger(__name__)


def is_table(name: str) -> bool:
    """Return whether a file of this name is read as a table."""
    return _kind(name) in (*_SEPARATORS, *_JSON)


def check_readable(name: str) -> None:
    """Refuse a file whose name says that it is a table of a kind that is not read.

    Raises:
        DataError: it does.
    """
    if _kind(name) in _OTHERS:
        raise DataError(
            f"{name}: {_kind(name)} files are not read here; save it as CSV (in pandas: `to_csv`)"
        )


def read(name: str, content: bytes) -> pd.DataFrame:
    """Return a file's rows: those of our columns that it has, all text, "" for what is missing.

    Raises:
        DataError: it is no such table, has no question and answer, or is damaged.
    """
    check_text(name, content)
    text, encoding = _decoded(name, content)
    if not text.strip():
        raise DataError(f"{name}: not a readable {_kind(name)[1:].upper()}: it is empty")
    if _kind(name) in _JSON:
        table, separator = _objects(name, text), ""
    else:
        table, separator = _lines(name, text)
    columns = _columns(name, list(table.columns))
    if table.empty:
        raise DataError(f"{name}: no question below its first line")
    found = table[list(columns)].rename(columns=columns)
    for column in found:
        found[column] = [_one_line(value) for value in found[column]]
    found = _without_fillers(found)
    _say(name, encoding, separator, columns, found)
    return found


def _kind(name: str) -> str:
    return PurePath(name.lower().removesuffix(".gz")).suffix


def _decoded(name: str, content: bytes) -> tuple[str, str]:
    """Return the text: UTF-8, UTF-16 with its mark, or else cp1252, in which Excel writes CSVs."""
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        encodings = ["utf-16"]
    else:
        encodings = ["utf-8-sig", "cp1252"]
    for encoding in encodings:
        try:
            text = content.decode(encoding)
        except UnicodeDecodeError:
            continue
        if "\0" in text:
            break
        return text, encoding
    raise DataError(f"{name}: not a text file; save the table as CSV in UTF-8")


def _lines(name: str, text: str) -> tuple[pd.DataFrame, str]:
    """Return a CSV's rows and what parts its columns."""
    told = re.match(r"sep=(.)\r?\n", text)  # Excel's own first line
    text = text[told.end() :] if told else text.lstrip("\r\n")
    separator = told[1] if told else _separator(name, text)
    try:
        # The header is a row like any other here: pandas would rename columns of one name.
        table = pd.read_csv(
            io.StringIO(text), sep=separator, dtype=str, keep_default_na=False, header=None
        )
    except (ValueError, csv.Error) as error:  # pandas' own errors are ValueErrors
        said = re.sub(
            r".*Expected (\d+) fields in (line \d+), saw (\d+)",
            r"\2 has \3 fields, more fields than its first line, \1; quote texts that hold "
            "a separator",
            str(error).strip(),
        )
        raise DataError(f"{name}: not a readable CSV: {said}") from error
    header = [_one_line(value) for value in table.iloc[0]]
    table = table.iloc[1:]
    table.columns = pd.Index(header)
    return table.reset_index(drop=True), separator


def _separator(name: str, text: str) -> str:
    """Return the separator by which the first line names a question and an answer, or most."""
    possible = _SEPARATORS[_kind(name)]

    def names(separator: str) -> list[str]:
        try:
            return next(csv.reader(io.StringIO(text), delimiter=separator), [])
        except csv.Error:
            return []

    def fits(separator: str) -> tuple[bool, int]:
        keys = {_key(found) for found in names(separator)}
        return {"question", "answer"} <= keys, len(keys)

    return max(possible, key=fits)


def _objects(name: str, text: str) -> pd.DataFrame:
    """Return the rows of a JSON list of objects, or of an object a line, whatever the name says."""
    text = text.lstrip("\ufeff")
    try:
        rows: Any = json.loads(text)
        if isinstance(rows, dict) and _kind(name) != ".json":
            rows = [rows]
    except (ValueError, RecursionError) as whole:
        try:  # at line ends alone: other separators may stand in texts
            rows = [json.loads(line) for line in text.split("\n") if line.strip()]
        except (ValueError, RecursionError) as error:
            told = whole if text.lstrip().startswith("[") else error
            raise DataError(f"{name}: not readable JSON: {told}") from error
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        keys = f" (it is one object with {_shown(list(rows))})" if isinstance(rows, dict) else ""
        raise DataError(f"{name}: not a list of JSON objects, one for each question{keys}")
    if not rows:
        raise DataError(f"{name}: no question in it")
    for number, row in enumerate(rows, 1):
        for key, value in row.items():
            if isinstance(value, list | dict) and _key(key) in _ours():
                raise DataError(
                    f"{name}, row {number}: {key!r} is a {type(value).__name__}, not a text"
                )
    return pd.DataFrame(rows, dtype=object)


def _shown(names: Sequence[object]) -> str:
    return ", ".join(repr(name)[:40] for name in names[:12])


def _ours() -> dict[str, str]:
    return {key: column for column, keys in _NAMES.items() for key in keys}


def _key(name: str) -> str:
    return re.sub(r"[\W_]+", "", str(name)).lower()


def _columns(name: str, seen: Sequence[str]) -> dict[str, str]:
    """Return the columns that are read, with our names for them; an exact name comes first."""
    ours = _ours()
    found: dict[str, list[str]] = {}
    for column in seen:
        if _key(column) in ours:
            found.setdefault(ours[_key(column)], []).append(column)
    for column, names in found.items():
        if len(names) > 1 and names.count(column) == 1:
            found[column] = [column]
        elif len(names) > 1:
            raise DataError(
                f"{name}: the columns {' and '.join(map(repr, names))} may all be {column}; "
                "leave one of them"
            )
    lacking = [column for column in NEEDED if column not in found]
    if lacking:
        raise DataError(
            f"{name}: lacks the columns {', '.join(lacking)}; it has {_shown(seen)}. Name its "
            f"columns {', '.join(list(_NAMES)[:6])} (the first four may be left out)"
        )
    return {names[0]: column for column, names in found.items()}


def _one_line(value: object) -> str:
    """Return a value's words; half of a pair of surrogates, which JSON can spell, as U+FFFD."""
    if value is None or value != value:
        return ""
    return " ".join(
        str(value).encode("utf-16", "surrogatepass").decode("utf-16", "replace").split()
    )


def _without_fillers(table: pd.DataFrame) -> pd.DataFrame:
    """Empty the values that say only that there is none, but for a topic that is called so."""
    for column in sorted(table, key=lambda name: name != "Question"):  # the others look at it
        table[column] = [
            ""
            if (value.lower() in _MISSING or not _WORD.search(value))
            and not (column == "Focus" and value in re.findall(r"\w+", question))
            else value
            for value, question in zip(table[column], table["Question"], strict=True)
        ]
    return table


def _say(
    name: str, encoding: str, separator: str, columns: dict[str, str], table: pd.DataFrame
) -> None:
    """Tell what was taken for what, where that is not plain from the file's name."""
    said = [f"{theirs!r} as {ours}" for theirs, ours in columns.items() if theirs != ours]
    if encoding != "utf-8-sig":
        said.append(f"its bytes as {encoding}, for they are not UTF-8")
    if separator not in ("", ",") and _kind(name) != ".tsv":
        said.append(f"{separator!r} as the separator")
    if said:
        logger.info("%s: read %s", name, "; ".join(said))
    if lacking := [column for column in list(_NAMES)[:4] if column not in table]:
        logger.info("%s: has no %s: left empty", name, ", ".join(lacking))
