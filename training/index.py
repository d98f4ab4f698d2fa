"""`python -m training index`: MedQuAD in, the index out that the service finds references in.

Written to --out, all of it plain files that load without a pickle, most of them memory-mapped:
    index.json            how texts become terms (splitter, stop words, stemmer), types, counts
    questions.jsonl       a question a line: id, question, answer (null where the licence took it
                          out: a link remains), source, url, focus, type, licence
    names/                BM25 over the names of topics: one entry for each distinct name
    questions/            BM25 over each question and the names of its topic
    answers/              BM25 over each answer: how rare its words are tells what they tell
    rows.npy              int32 (questions, 2): each question's document and type, by number
    name_documents.npy    int32 (pairs, 2): a name, and a document whose topic is called so
    words.json            `spelled`: words to correct misspellings to, the most frequent first;
                          `known`: others that are no misspellings
"""

import argparse
import json
import logging
import re
import shutil
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import bm25s
import numpy as np
import pandas as pd
import Stemmer
from bm25s.utils.corpus import JsonlCorpus

from training.data.download import COMMIT, URL, download
from training.data.examples import read_rows
from training.data.medquad import ALL_COLLECTIONS, ANSWERED_COLLECTIONS, read_table
from training.errors import DataError
from training.prepare import DIGEST
from training.references.topic_names import WORD, names_of_documents, normalise

KEY = ["Collection", "File", "QuestionId"]
_FORMAT = 1
_STEMMER = "english"
_STOP_WORDS = """
a about above after again against all also am an and any are arent as at be because been before
being below between both but by can cannot cant could did do does doesnt doing don dont down during
each few for from further had has have having he her here hers him his how i id if ill im in into is
isnt it its ive just may me might mine more most must my myself no nor not now of off on only or
other our ours out over own s same shall she should so some such t than that the their them then
there these they this those through to too under until up us very was wasnt we were what whats when
where which while who whom whose why will with wont would wouldnt you your youre yours
""".split()  # noqa: SIM905 - a list of so many words is longer than it is clear
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
        "--data", type=Path, default=Path("data"), help="what `prepare` wrote: where splits are"
    )


def run(arguments: argparse.Namespace) -> int:
    """Run the command."""
    excluded = _keys_of_splits(arguments.data, arguments.exclude_split)
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


def _check(archive: Path) -> None:
    if read_table(archive)[1] != DIGEST:
        raise DataError(f"the archive fetched is not MedQuAD at {COMMIT[:7]}")


def _number(collection: str) -> int:
    return int(collection.partition("_")[0])


def _keys(table: pd.DataFrame) -> list[tuple[str, ...]]:
    return [tuple(row) for row in table[KEY].itertuples(index=False)]


def _keys_of_splits(data: Path, splits: Sequence[str]) -> frozenset[tuple[str, ...]]:
    if not splits:
        return frozenset()
    table = read_rows(data, [*KEY, "Split"])
    if missing := set(splits) - set(table["Split"]):
        raise DataError(f"{data / 'medquad.csv'} has no split {', '.join(sorted(missing))}")
    return frozenset(_keys(table[table["Split"].isin(splits)]))


def _write(table: pd.DataFrame, out: Path, figures: dict[str, Any]) -> None:
    documents = (table["Collection"] + "/" + table["File"]).tolist()
    numbers = {document: number for number, document in enumerate(dict.fromkeys(documents))}
    names = names_of_documents(table, documents)
    terms = _Terms()
    pairs = _write_names(names, numbers, terms, out)
    types = sorted(set(table["QuestionType"]))
    rows = zip(documents, table["QuestionType"], strict=True)
    np.save(out / "rows.npy", _int32([(numbers[name], types.index(kind)) for name, kind in rows]))
    np.save(out / "name_documents.npy", _int32(pairs))
    called = {
        document: sorted({term for name in known for term in terms.of(name)})
        for document, known in names.items()
    }
    questions = zip(table["Question"], documents, strict=True)
    texts = [terms.of(question, stop=False) + called[name] for question, name in questions]
    _bm25(texts, out / "questions")
    _bm25([terms.of(answer, stop=False) for answer in table["Answer"]], out / "answers")
    _write_questions(table, out / "questions.jsonl")
    _write_words(table, names.values(), out / "words.json")
    settings = {
        "splitter": WORD,
        "stemmer": _STEMMER,
        "stop_words": _STOP_WORDS,
        "types": types,
    }
    (out / "index.json").write_text(json.dumps(figures | settings, indent=1) + "\n")


class _Terms:
    """How a text becomes terms; the app does the same to a question, by index.json."""

    def __init__(self) -> None:
        self._stemmer = Stemmer.Stemmer(_STEMMER)
        self._stop_words = set(_STOP_WORDS)

    def of(self, text: str, *, stop: bool = True) -> list[str]:
        words = normalise(text).split()
        if stop:
            words = [word for word in words if word not in self._stop_words]
        stems: list[str] = self._stemmer.stemWords(words)
        return stems


def _write_names(
    names: dict[str, set[str]], numbers: dict[str, int], terms: _Terms, out: Path
) -> list[tuple[int, int]]:
    """Index each distinct name, and return which documents are called so, by numbers."""
    distinct: dict[tuple[str, ...], int] = {}
    pairs = set()
    for document, known in names.items():
        for name in known:
            if found := tuple(sorted(set(terms.of(name)))):
                number = distinct.setdefault(found, len(distinct))
                pairs.add((number, numbers[document]))
    _bm25([list(found) for found in distinct], out / "names", k1=0.0)  # the sum of their weights
    return sorted(pairs)


def _bm25(texts: list[list[str]], out: Path, k1: float = 1.2) -> None:
    engine = bm25s.BM25(k1=k1, b=0.75, method="lucene")
    engine.index(texts, show_progress=False)
    engine.save(out, show_progress=False)


def _write_questions(table: pd.DataFrame, path: Path) -> None:
    with path.open("w", encoding="utf-8") as file:
        for row in table.to_dict("records"):
            line = {
                "id": f"{row['Collection']}/{row['File']}#{row['QuestionId']}",
                "question": row["Question"],
                "answer": row["Answer"] or None,
                "source": row["Source"],
                "url": row["URL"],
                "focus": row["Focus"],
                "type": row["QuestionType"],
                "licence": "CC BY 4.0" if row["Answer"] else "link only",
            }
            file.write(json.dumps(line) + "\n")
    JsonlCorpus(path, show_progress=False, verbosity=0)  # writes where each line begins


def _write_words(table: pd.DataFrame, names: Iterable[set[str]], path: Path) -> None:
    spelled = Counter(word for known in names for name in known for word in name.split())
    for question in table["Question"]:
        spelled.update(normalise(question).split())
    answers: Counter[str] = Counter()
    for answer in table["Answer"]:
        answers.update(normalise(answer).split())
    known = [word for word, times in answers.items() if times >= _KNOWN_TIMES]
    words = {
        "spelled": [word for word, _ in spelled.most_common() if not re.search(r"\d", word)],
        "known": sorted({*known, *spelled}),
    }
    path.write_text(json.dumps(words))


def _int32(pairs: Sequence[tuple[int, int]]) -> np.ndarray[Any, Any]:
    return np.array(pairs, dtype=np.int32)
