"""MedQuAD's XML (or somebody's table of questions) becomes one table, a row a question.

Source: Ben Abacha & Demner-Fushman, "A question-entailment approach to question answering", BMC
Bioinformatics 2019; https://github.com/abachaa/MedQuAD, CC BY 4.0. Collections 10-12 carry no
answers (their licence took the text out) and are left aside unless asked for. Knows nothing about
cleaning.
"""

import hashlib
import re
from collections.abc import Container, Iterator
from pathlib import Path
from typing import NamedTuple
from xml.etree import ElementTree
from zipfile import is_zipfile

import pandas as pd

from training.data import archive, tables
from training.data.file_content import unpacked
from training.errors import DataError

NOTEBOOK_COLUMNS = ["Focus", "CUI", "SemanticType", "SemanticGroup", "Question", "Answer"]
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


class XmlFile(NamedTuple):
    """One document of the archive."""

    number: int
    collection: str
    name: str
    content: bytes


def read_table(source: Path, collections: Container[int] | None = None) -> tuple[pd.DataFrame, str]:
    """Return the questions of an archive, a directory or a table, and the content's digest.

    The table has the notebook's six columns and where each row comes from, all as text with ""
    for what is missing; rows stand in the notebook's order: collections by number, files by name.
    The digest is SHA-256 over the XML files' names and bytes (or the table's bytes), so that it
    does not depend on how an archive was packed.

    Args:
        source: a zip or directory of XML; or a table as `tables` reads it, zipped or not.
        collections: those whose documents are wanted, and no table; None: the answered ones.

    Raises:
        DataError: the source is missing, damaged or something else.
    """
    if not source.exists():
        raise DataError(f"{source}: no such file or directory")
    tables.check_readable(str(source))
    if tables.is_table(source.name):
        if collections is not None:
            raise DataError(
                f"{source}: no MedQuAD documents in it, for it is a table; give MedQuAD's archive "
                "or its unpacked directory"
            )
        return _table(str(source), _content(source))
    if source.is_file() and not is_zipfile(source) and source.suffix.lower() != ".zip":
        raise DataError(
            f"{source}: not a readable zip archive, nor by its name a table; give {tables.KINDS}, "
            "or a zip with one of these or MedQuAD's documents"
        )
    wanted = ANSWERED_COLLECTIONS if collections is None else collections
    files = sorted(_xml_files(source, wanted), key=lambda file: (file.number, file.name))
    if not files:
        if collections is None and (member := _only_table(source)):
            return _table(*member)
        raise _no_documents(source)
    rows = [row for file in files for row in _rows(file)]
    if not rows:
        raise DataError(f"{source}: no question in any of its {len(files)} documents")
    return pd.DataFrame(rows, columns=NOTEBOOK_COLUMNS + PROVENANCE_COLUMNS), content_digest(files)


def content_digest(files: list[XmlFile]) -> str:
    """Return the SHA-256 over every document's name and bytes, in order."""
    digest = hashlib.sha256()
    for file in files:
        digest.update(f"{file.collection}/{file.name}\0{len(file.content)}\0".encode())
        digest.update(file.content)
    return digest.hexdigest()


def _no_documents(source: Path) -> DataError:
    seen = archive.names(source)
    shown = ", ".join(seen[:4]) + (", …" if len(seen) > 4 else "")
    return DataError(
        f"{source}: no MedQuAD documents (1_CancerGov_QA/….xml and so on) in it, but "
        f"{shown or 'nothing at all'}; give MedQuAD's archive or its unpacked directory, or a "
        f"table as {tables.KINDS}, which a zip may hold"
    )


def _content(source: Path) -> bytes:
    try:
        return source.read_bytes()
    except OSError as error:
        raise DataError(f"{source}: not a readable {source.suffix[1:].upper()}: {error}") from error


def _table(name: str, content: bytes) -> tuple[pd.DataFrame, str]:
    """Return a table's rows with every column that documents give, and its digest."""
    content = unpacked(name, content)
    table = tables.read(name, content)
    cuis = table.get("CUI", pd.Series("", index=table.index))
    table["AllCUIs"] = cuis  # what topics are joined by
    table["CUI"] = [codes.partition("|")[0] for codes in cuis]
    table["QuestionId"] = [f"row-{number}" for number in range(len(table))]
    columns = NOTEBOOK_COLUMNS + PROVENANCE_COLUMNS
    return table.reindex(columns=columns, fill_value=""), hashlib.sha256(content).hexdigest()


def _only_table(source: Path) -> tuple[str, bytes] | None:
    """Return the name and content of the one table in an archive without documents.

    Raises:
        DataError: there are several.
    """
    found = [name for name in archive.names(source) if tables.is_table(name)]
    if not found:
        return None
    if len(found) > 1:
        raise DataError(f"{source}: several tables in it ({', '.join(found[:4])}); give one")
    largest = archive.LARGEST_SUM_BYTES
    _, content = next(archive.members(source, lambda name: name == found[0], largest))
    return f"{source}, {found[0]}", content


def _xml_files(source: Path, collections: Container[int]) -> list[XmlFile]:
    def wanted(path: str) -> bool:
        match = _PATH.search(path)
        return match is not None and int(match[2]) in collections

    found = ((_PATH.search(path), content) for path, content in archive.members(source, wanted))
    return [
        XmlFile(int(match[2]), match[1], match[3], content) for match, content in found if match
    ]


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
