"""MedQuAD's XML (or a CSV in the seed's format) becomes one table, a row a question.

Source: Ben Abacha & Demner-Fushman, "A question-entailment approach to question answering", BMC
Bioinformatics 2019; https://github.com/abachaa/MedQuAD, CC BY 4.0. Collections 10-12 carry no
answers (their licence took the text out) and are left aside unless asked for. Knows nothing about
cleaning.
"""

import csv
import hashlib
import re
import zipfile
import zlib
from collections.abc import Container, Iterator
from pathlib import Path
from typing import NamedTuple
from xml.etree import ElementTree

import pandas as pd

from training.errors import DataError

SEED_COLUMNS = ["Focus", "CUI", "SemanticType", "SemanticGroup", "Question", "Answer"]
PROVENANCE_COLUMNS = [
    "Source",
    "Collection",
    "File",
    "QuestionId",
    "QuestionType",
    "URL",
    "Synonyms",
    "AllCUIs",
    "LowerCaseSchema",
]
ANSWERED_COLLECTIONS = range(1, 10)
ALL_COLLECTIONS = range(1, 13)
_PATH = re.compile(r"(?:^|/)((\d+)_[A-Za-z0-9_]+)/([A-Za-z0-9_.-]+\.xml)$")
_LARGEST_FILE_BYTES = 16 * 2**20
_LARGEST_SUM_BYTES = 256 * 2**20  # MedQuAD sevenfold; spaces zip a thousandfold


class XmlFile(NamedTuple):
    """One document of the archive."""

    number: int
    collection: str
    name: str
    content: bytes


def read_table(
    source: Path, collections: Container[int] = ANSWERED_COLLECTIONS
) -> tuple[pd.DataFrame, str]:
    """Return the questions of an archive, a directory or a CSV, and the content's digest.

    The table has the seed's six columns and where each row comes from, all as text with "" for
    what is missing; rows stand in the seed's order: collections by number, files by name. The
    digest is SHA-256 over the XML files' names and bytes (or the CSV's bytes), so that it does
    not depend on how an archive was packed.

    Raises:
        DataError: the source is missing, damaged or something else.
    """
    if not source.exists():
        raise DataError(f"{source}: no such file or directory")
    if source.suffix.lower() == ".csv":
        return _read_csv(source)
    files = sorted(_xml_files(source, collections), key=lambda file: (file.number, file.name))
    if not files:
        raise DataError(f"{source}: no MedQuAD documents (1_CancerGov_QA/….xml and so on) in it")
    rows = [row for file in files for row in _rows(file)]
    if not rows:
        raise DataError(f"{source}: no question in any of its {len(files)} documents")
    return pd.DataFrame(rows, columns=SEED_COLUMNS + PROVENANCE_COLUMNS), content_digest(files)


def content_digest(files: list[XmlFile]) -> str:
    """Return the SHA-256 over every document's name and bytes, in order."""
    digest = hashlib.sha256()
    for file in files:
        digest.update(f"{file.collection}/{file.name}\0{len(file.content)}\0".encode())
        digest.update(file.content)
    return digest.hexdigest()


def _read_csv(source: Path) -> tuple[pd.DataFrame, str]:
    try:
        table = pd.read_csv(source, dtype=str, keep_default_na=False, encoding="utf-8")
    except (ValueError, OSError, pd.errors.ParserError, csv.Error) as error:
        raise DataError(f"{source}: not a readable CSV: {error}") from error
    missing = [column for column in SEED_COLUMNS if column not in table.columns]
    if missing:
        raise DataError(f"{source}: the CSV lacks the columns {', '.join(missing)}")
    if not isinstance(table.index, pd.RangeIndex):  # pandas took the first fields for an index
        raise DataError(f"{source}: its rows have more fields than its first line names")
    if table.empty:
        raise DataError(f"{source}: no question below the CSV's first line")
    table = table[SEED_COLUMNS].map(_one_line)
    for column in PROVENANCE_COLUMNS:
        table[column] = ""
    table["AllCUIs"] = table["CUI"]  # what topics are joined by
    table["QuestionId"] = [f"row-{number}" for number in range(len(table))]
    return table, hashlib.sha256(source.read_bytes()).hexdigest()


def _xml_files(source: Path, collections: Container[int]) -> Iterator[XmlFile]:
    left = _LARGEST_SUM_BYTES
    read = _directory_files if source.is_dir() else _archive_files
    for file in read(source, collections):
        left -= len(file.content)
        if left < 0:
            raise DataError(f"{source}: over {_LARGEST_SUM_BYTES:,} bytes of XML is no MedQuAD")
        yield file


def _directory_files(source: Path, collections: Container[int]) -> Iterator[XmlFile]:
    try:
        for path in source.rglob("*.xml"):
            if file := _xml_file(path.as_posix(), path.stat().st_size, collections):
                yield file._replace(content=path.read_bytes())
    except OSError as error:
        raise DataError(f"{source}: not a readable directory: {error}") from error


def _archive_files(source: Path, collections: Container[int]) -> Iterator[XmlFile]:
    try:
        with zipfile.ZipFile(source) as archive:
            for entry in archive.infolist():
                if file := _xml_file(entry.filename, entry.file_size, collections):
                    yield file._replace(content=archive.read(entry))
    # RuntimeError: encrypted, or a compression that Python does not have.
    except (
        zipfile.BadZipFile,
        zlib.error,
        EOFError,
        OSError,
        RuntimeError,
        ValueError,
    ) as error:
        raise DataError(f"{source}: not a readable zip archive: {error}") from error


def _xml_file(path: str, size: int, collections: Container[int]) -> XmlFile | None:
    match = _PATH.search(path)
    if not match or int(match[2]) not in collections:
        return None
    if size > _LARGEST_FILE_BYTES:
        raise DataError(f"{path}: {size:,} bytes is no MedQuAD document")
    return XmlFile(int(match[2]), match[1], match[3], b"")


def _rows(file: XmlFile) -> Iterator[dict[str, str]]:
    """Yield a document's questions; tags are matched without case, which four files need."""
    where = f"{file.collection}/{file.name}"
    try:
        root = ElementTree.fromstring(file.content)  # noqa: S314 - expat bounds entity expansion
    except ElementTree.ParseError as error:
        raise DataError(f"{where}: not well-formed XML: {error}") from error
    lower_case = root.tag == "doc"
    if not lower_case and root.tag not in ("Document", "DiseaseFile"):
        raise DataError(f"{where}: <{root.tag}> is no MedQuAD document")
    focus = _first(root, "focus", "doctitle-focus")
    cuis = _all(root, "cui")
    document = {
        "Focus": focus,
        "CUI": next(iter(cuis), ""),
        "SemanticType": next(iter(_all(root, "semantictype")), ""),
        "SemanticGroup": _first(root, "semanticgroup"),
        "Source": root.get("source") or root.get("corpus") or "",
        "Collection": file.collection,
        "File": file.name,
        "URL": root.get("url") or "",
        "Synonyms": "|".join(_all(root, "synonym")),
        "AllCUIs": "|".join(cuis),
        "LowerCaseSchema": "1" if lower_case else "",
    }
    for pair in _elements(root, "qapair", "pair"):
        question = next(_elements(pair, "question"), None)
        if question is None:
            raise DataError(f"{where}: a pair has no question")
        yield document | {
            "Question": _one_line(question.text or ""),
            "Answer": _first(pair, "answer"),
            "QuestionId": question.get("qid") or "",
            "QuestionType": question.get("qtype") or "",
        }


def _elements(root: ElementTree.Element, *tags: str) -> Iterator[ElementTree.Element]:
    return (element for element in root.iter() if element.tag.lower() in tags)


def _all(root: ElementTree.Element, tag: str) -> list[str]:
    texts = (_one_line(element.text or "") for element in _elements(root, tag))
    return [text for text in texts if text]


def _first(root: ElementTree.Element, *tags: str) -> str:
    element = next(_elements(root, *tags), None)
    return "" if element is None else _one_line("".join(element.itertext()))


def _one_line(text: str) -> str:
    return " ".join(text.split())
