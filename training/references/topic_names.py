"""What a MedQuAD document's topic is called: focus, synonyms, and names found in the answers.

Two documents about the same topic share their names: the same focus, or a CUI that few foci
carry. Acronyms (`normal pressure hydrocephalus (NPH)`) and brand names (`bupropion (Wellbutrin)`)
are read out of the answers of the whole collection.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping

import pandas as pd

WORD = r"[a-z0-9]+"
_ACRONYM = re.compile(r"\(([A-Z][A-Za-z0-9-]{1,12})s?[,)]")
_BRAND = re.compile(r"\b([a-z]{5,21}(?: [a-z]{4,20})?) \(([A-Z][a-z]{3,14})(?:®|\)|,)")
_EXPANSION_CHARACTERS = 100
_EXTRA_WORDS = 3  # of an acronym's expansion, beyond one for each letter
_SHARED_CUI_FOCI = 3


def normalise(text: str) -> str:
    """Return a text's words, lower-case, apostrophes dropped, with single spaces between."""
    return " ".join(re.findall(WORD, text.lower().replace("'", "").replace("\u2019", "")))


def names_of_documents(table: pd.DataFrame, documents: Iterable[str]) -> dict[str, set[str]]:
    """Return the names of each document; `documents` says which one each row of `table` is of."""
    names: dict[str, set[str]] = {}
    foci: dict[str, str] = {}
    cuis: dict[str, list[str]] = {}
    columns = (table[column] for column in ("Focus", "Synonyms", "AllCUIs"))
    for document, focus, synonyms, codes in zip(documents, *columns, strict=True):
        if document not in names:
            foci[document] = normalise(focus)
            cuis[document] = codes.split("|") if codes else []
            known = map(normalise, [focus, *synonyms.split("|")])
            names[document] = {name for name in known if name}
    _add_found(names, table["Answer"])
    return _shared(names, foci, cuis)


def _add_found(names: dict[str, set[str]], answers: Iterable[str]) -> None:
    documents = defaultdict(list)
    for document, known in names.items():
        for name in known:
            documents[name].append(document)
    for answer in answers:
        for name, alias in [*_acronyms(answer), *_brands(answer)]:
            for document in documents.get(name, ()):
                names[document].add(alias)


def _acronyms(answer: str) -> Iterator[tuple[str, str]]:
    for match in _ACRONYM.finditer(answer):
        letters = [letter.lower() for letter in match[1] if letter.isalpha()]
        if sum(letter.isupper() for letter in match[1]) < 2:
            continue
        before = answer[max(0, match.start() - _EXPANSION_CHARACTERS) : match.start()]
        words = normalise(before).split()
        for count in range(max(1, len(letters) - 1), len(letters) + 1 + _EXTRA_WORDS):
            expansion = words[-count:]
            if len(expansion) == count and _abbreviates(letters, expansion):
                yield " ".join(expansion), normalise(match[1])
                break


def _abbreviates(letters: list[str], words: list[str]) -> bool:
    """Whether the letters are initials of the words, in order, from the first word on."""
    initials = iter(word[0] for word in words)
    return words[0][0] == letters[0] and all(letter in initials for letter in letters)


def _brands(answer: str) -> Iterator[tuple[str, str]]:
    for match in _BRAND.finditer(answer):
        yield match[1], match[2].lower()
        yield match[1].split()[-1], match[2].lower()


def _shared(
    names: Mapping[str, set[str]], foci: Mapping[str, str], cuis: Mapping[str, list[str]]
) -> dict[str, set[str]]:
    by_focus: dict[str, set[str]] = defaultdict(set)
    by_cui: dict[str, set[str]] = defaultdict(set)
    foci_of_cui: dict[str, set[str]] = defaultdict(set)
    for document, known in names.items():
        by_focus[foci[document]] |= known
        for cui in cuis[document]:
            by_cui[cui] |= known
            foci_of_cui[cui].add(foci[document])
    return {
        document: known.union(
            by_focus[foci[document]] if foci[document] else (),
            *(by_cui[cui] for cui in cuis[document] if len(foci_of_cui[cui]) <= _SHARED_CUI_FOCI),
        )
        for document, known in names.items()
    }
