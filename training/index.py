"""`python -m training index`: MedQuAD in, the index out that the service finds references in.

Written to --out, all of it plain files that load without a pickle and are memory-mapped:
    index.json          how texts become terms, the types, counts
    ATTRIBUTION.md      whose texts they are, under which licence, and what was changed
    rows.*              a question: number and text; its document, its type, its answer or none
    documents.*         a document: path, source, URL, focus; its topic's names, its focus first
    answers.*           each distinct answer that the licence leaves, in compressed blocks
    terms.*             every term, sorted; how much more it is said here than elsewhere
    names.*             which names have which terms
    questions.*         BM25 over each question and the names of its topic
    phrases.*           names as they are said, word after word
    words.*             words to correct misspellings to, and others that are no misspellings
"""

import argparse
import json
import logging
import re
import shutil
import zlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from training.data.cleaning import clean
from training.data.download import COMMIT, URL, download
from training.data.examples import read_rows
from training.data.medquad import ALL_COLLECTIONS, ANSWERED_COLLECTIONS, read_table
from training.errors import DataError
from training.prepare import DIGEST
from training.references.attribution import attribution
from training.references.compact import Postings, small, write_texts, write_words
from training.references.ordinary_words import known_words, specificity
from training.references.terms import Terms, as_data
from training.references.topic_names import names_of_documents, topic_name

KEY = ["Collection", "File", "QuestionId"]
_FORMAT = 3
_PER_BLOCK = {"answers": 16, "rows": 128, "documents": 128}
_LONGEST_TERM = 40  # characters: longer ones are addresses
_CAPITALS = re.compile(r"\b[A-Z]{2,7}\b")
_KNOWN_TIMES = 5  # in the answers, below which a word may be a misspelling itself

logger = logging.getLogger(__name__)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    parser.add_argument(
        "--source", type=Path, help="MedQuAD as a zip or directory (default: download it)"
    )
    parser.add_argument("--out", type=Path, default=Path("models/references"))
    parser.add_argument(
        "--exclude-split",
        nargs="+",
        default=[],
        metavar="SPLIT",
        help="leave out these splits' rows (test_seen test_unseen), for evaluations that must "
        "not find a test question's own answer",
    )
    parser.add_argument(
        "--exclude-topics-of",
        nargs="+",
        default=[],
        metavar="SPLIT",
        help="leave out everything on these splits' topics, to see what a service makes of "
        "questions on which it has nothing",
    )
    parser.add_argument(
        "--data", type=Path, default=Path("data"), help="what `prepare` wrote: where splits are"
    )


def run(arguments: argparse.Namespace) -> int:
    """Run the command."""
    excluded = _keys_of_splits(arguments.data, arguments.exclude_split) | _keys_of_splits(
        arguments.data, arguments.exclude_topics_of, whole_topics=True
    )
    figures = index(arguments.source, arguments.out, excluded)
    print(json.dumps(figures, indent=2))
    return 0


def index(
    source: Path | None, out: Path, excluded: frozenset[tuple[str, ...]] = frozenset()
) -> dict[str, Any]:
    """Write the index to `out`, in place of one that is there; return what is in it.

    Args:
        source: MedQuAD's archive or directory; None downloads it beside `out`.
        out: the directory to write.
        excluded: `KEY` of the rows to leave out.

    Raises:
        DataError: the source is missing or damaged, or `out` is something else.

    """
    if out.exists() and not (out / "index.json").is_file():
        raise DataError(f"{out} exists and is not an index: name another directory")
    source = source or download(URL, out.with_name(f"MedQuAD-{COMMIT[:7]}.zip"), _check)
    table, digest = read_table(source, ALL_COLLECTIONS)
    kept = [key not in excluded for key in _keys(table)]
    table = table[kept].reset_index(drop=True)
    # Their licence took the text out of MedQuAD; a copy that still has it must not bring it back.
    table.loc[
        [_number(name) not in ANSWERED_COLLECTIONS for name in table["Collection"]], "Answer"
    ] = ""
    table["Answer"] = _readable_answers(table)
    unfinished = out.with_name(f".{out.name}.unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(parents=True)
    figures = {
        "format": _FORMAT,
        "digest": digest,
        "questions": len(table),
        "answered": int((table["Answer"] != "").sum()),
        "excluded": len(kept) - len(table),
    }
    _write(table, unfinished, figures)
    shutil.rmtree(out, ignore_errors=True)
    unfinished.replace(out)
    return figures


def _readable_answers(table: pd.DataFrame) -> list[str]:
    """Return answers as a model learns them, without what their web pages put around them.

    Those that are a heading alone (`Is Williams syndrome inherited?`) or a table of contents answer
    nothing, and are empty.
    """
    cleaned = clean(table)
    answers = cleaned["Flags"].isin(["", "hpo", "dup"])
    return list(cleaned["AnswerClean"].where(answers, ""))


def _check(archive: Path) -> None:
    if read_table(archive)[1] != DIGEST:
        raise DataError(f"the archive fetched is not MedQuAD at {COMMIT[:7]}")


def _number(collection: str) -> int:
    return int(collection.partition("_")[0])


def _keys(table: pd.DataFrame) -> list[tuple[str, ...]]:
    return [tuple(row) for row in table[KEY].itertuples(index=False)]


def _keys_of_splits(
    data: Path, splits: Sequence[str], *, whole_topics: bool = False
) -> frozenset[tuple[str, ...]]:
    if not splits:
        return frozenset()
    table = read_rows(data, [*KEY, "Split", "GroupId"])
    if missing := set(splits) - set(table["Split"]):
        raise DataError(f"{data / 'medquad.csv'} has no split {', '.join(sorted(missing))}")
    of_splits = table["Split"].isin(splits)
    if whole_topics:
        of_splits = table["GroupId"].isin(table.loc[of_splits, "GroupId"])
    return frozenset(_keys(table[of_splits]))


def _write(table: pd.DataFrame, out: Path, figures: dict[str, Any]) -> None:
    terms = Terms()
    documents = (table["Collection"] + "/" + table["File"]).tolist()
    names = names_of_documents(table, documents, terms.words)
    types = sorted(set(table["QuestionType"]))
    _write_texts(table, documents, types, out)
    _write_terms(table, documents, names, terms, out)
    _write_spelling(table, names.values(), terms, out)
    (out / "ATTRIBUTION.md").write_text(attribution(figures), encoding="utf-8")
    settings = {"types": types, "per_block": _PER_BLOCK, "terms": as_data(terms.rules)}
    (out / "index.json").write_text(json.dumps(figures | settings, indent=1) + "\n")


def _write_texts(table: pd.DataFrame, documents: list[str], types: list[str], out: Path) -> None:
    """Write questions, documents and answers, each distinct answer once."""
    numbers = {document: number for number, document in enumerate(dict.fromkeys(documents))}
    described: dict[str, str] = {}
    for name, *rest in zip(documents, *(table[c] for c in ("Source", "URL", "Focus")), strict=True):
        described.setdefault(name, "\t".join([name, *rest]))
    answers = {"": 0}
    for text in table["Answer"]:
        answers.setdefault(text, len(answers))
    rows = (table["QuestionId"] + "\t" + table["Question"]).tolist()
    write_texts(rows, out / "rows", _PER_BLOCK["rows"])
    write_texts(list(described.values()), out / "documents", _PER_BLOCK["documents"])
    write_texts(list(answers)[1:], out / "answers", _PER_BLOCK["answers"])
    np.save(out / "rows.documents.npy", small([numbers[name] for name in documents]))
    np.save(out / "rows.types.npy", small([types.index(kind) for kind in table["QuestionType"]]))
    np.save(out / "rows.answers.npy", small([answers[text] for text in table["Answer"]]))


def _write_terms(
    table: pd.DataFrame,
    documents: list[str],
    names: Mapping[str, set[str]],
    terms: Terms,
    out: Path,
) -> None:
    """Write what is searched: names, questions with the names of their topics, rarities."""
    called = {name: terms.of_name(name.split()) for name in sorted(set().union(*names.values()))}
    distinct: dict[tuple[str, ...], int] = {}
    entry_of = {
        name: distinct.setdefault(tuple(sorted(set(found))), len(distinct))
        for name, found in called.items()
        if found
    }
    topics = {
        document: sorted({term for name in known for term in called[name]})
        for document, known in names.items()
    }
    asked = zip(table["Question"], documents, strict=True)
    questions = Postings(
        [terms.of(terms.words(question)) + topics[name] for question, name in asked]
    )
    named = Postings(list(distinct))
    medical: Counter[str] = Counter()
    for answer in dict.fromkeys(table["Answer"]):
        medical.update(t for t in terms.of(terms.words(answer)) if len(t) <= _LONGEST_TERM)
    vocabulary = sorted({*named.terms, *questions.terms, *medical})
    write_words(vocabulary, out / "terms")
    medical.update(term for text in questions.texts for term in text)
    np.save(out / "terms.specificity.npy", specificity(vocabulary, medical, terms.stem))
    named.write(vocabulary, out / "names", weighted=False)
    questions.write(vocabulary, out / "questions", weighted=True)
    foci = dict(zip(documents, table["Focus"], strict=True))
    per_document = [
        _entries(names[document], topic_name(foci[document], terms.words), entry_of)
        for document in dict.fromkeys(documents)
    ]
    np.save(out / "documents.names.npy", small([entry for each in per_document for entry in each]))
    lengths = [len(each) for each in per_document]
    np.save(out / "documents.starts.npy", small(np.concatenate([[0], np.cumsum(lengths)])))
    phrases = sorted({(zlib.crc32(terms.phrase(name.split())), n) for name, n in entry_of.items()})
    np.save(out / "phrases.keys.npy", np.array([key for key, _ in phrases], dtype=np.uint32))
    np.save(out / "phrases.names.npy", small([entry for _, entry in phrases]))


def _entries(names: set[str], focus: str, entry_of: Mapping[str, int]) -> list[int]:
    """Return a topic's names by their numbers, sorted, but its focus first."""
    entries = sorted({entry_of[name] for name in names if name in entry_of})
    own = entry_of.get(focus)
    return sorted(entries, key=lambda entry: (entry != own, entry))


def _write_spelling(
    table: pd.DataFrame, names: Iterable[set[str]], terms: Terms, out: Path
) -> None:
    """Write `words.spelled`, by first letter, length and how often, and `words.known`, sorted.

    Nothing is corrected to an acronym: it is one letter from too many words.
    """
    asked = Counter(word for question in table["Question"] for word in terms.words(question))
    spelled = asked + Counter(word for known in names for name in known for word in name.split())
    raw = " ".join([*table["Question"], *table["Focus"], *table["Synonyms"]])
    capitals = Counter(word.lower() for word in _CAPITALS.findall(raw))
    answers = Counter(word for answer in table["Answer"] for word in terms.words(answer))
    likely = [
        word
        for word, times in sorted(spelled.items(), key=lambda item: (-item[1], item[0]))
        if re.fullmatch("[a-z]{4,40}", word) and 2 * capitals[word] < max(1, times)
    ]
    places = {word: place for place, word in enumerate(likely)}
    likely.sort(key=lambda word: (word[0], len(word), places[word]))
    write_words(likely, out / "words.spelled")
    known = {word for word, times in answers.items() if times >= _KNOWN_TIMES}
    known |= spelled.keys() | set(known_words())
    write_words(sorted(w for w in known if re.fullmatch("[a-z]{4,40}", w)), out / "words.known")
