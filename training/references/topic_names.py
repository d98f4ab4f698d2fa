"""What a MedQuAD document's topic is called: focus, synonyms, and names found in the answers.

Two documents about the same topic share their names: the same focus, or a CUI that few foci
carry. Acronyms (`normal pressure hydrocephalus (NPH)`) and brand names (`bupropion (Wellbutrin)`)
are read out of the answers of the whole collection. A name is its words with single spaces between;
an acronym that is an everyday word (KID, HIT, GO) is the term that only capitals mean.
"""

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping

import pandas as pd

from training.references.ordinary_words import is_everyday
from training.references.terms import acronym_term

_ACRONYM = re.compile(r"\(([A-Z][A-Za-z0-9-]{1,12})s?[,)]")
_BRAND = re.compile(r"\b([a-z]{5,21}(?: [a-z]{4,20})?) \(([A-Z][a-z]{3,14})(?:®|\)|,)")
_CAPITALS = re.compile(r"\b[A-Z]{2,7}\b")
_COUNTED = re.compile(r"\btype (\d+[a-z]{0,2}|[a-z])\b")
_BARE_NUMBER = re.compile(r"(?<=[a-z]{4}) (\d+[a-z]{0,2})$")
_EXPANSION_CHARACTERS = 100
_EXTRA_WORDS = 3  # of an acronym's expansion, beyond one for each letter
_SHARED_CUI_FOCI = 3

Words = Callable[[str], list[str]]


def names_of_documents(
    table: pd.DataFrame, documents: Iterable[str], words: Words
) -> dict[str, set[str]]:
    """Return the names of each document; `documents` says which one each row of `table` is of.

    Args:
        table: MedQuAD's rows.
        documents: one for each row.
        words: how a text is split.
    """
    names: dict[str, set[str]] = {}
    foci: dict[str, str] = {}
    cuis: dict[str, list[str]] = {}
    columns = (table[column] for column in ("Focus", "Synonyms", "AllCUIs"))
    for document, focus, synonyms, codes in zip(documents, *columns, strict=True):
        if document not in names:
            foci[document] = " ".join(words(focus))
            cuis[document] = codes.split("|") if codes else []
            known = (topic_name(name, words) for name in [focus, *synonyms.split("|")])
            names[document] = {name for name in known if name}
    _add_found(names, table["Answer"], words)
    shared = _shared(names, foci, cuis)
    return {document: known.union(*map(_numbered, known)) for document, known in shared.items()}


def topic_name(text: str, words: Words) -> str:
    """Return one name as the index has it; "" if it has no words."""
    split = words(text)
    if len(split) > 1 and text.isupper():
        return " ".join(split)
    capitals = {word.lower() for word in _CAPITALS.findall(text)}
    return " ".join(
        acronym_term(word) if word in capitals and is_everyday(word) else word for word in split
    )


def _numbered(name: str) -> Iterator[str]:
    """Yield a numbered name as it is also said: with and without the word type."""
    if _COUNTED.search(name):
        yield _COUNTED.sub(r"\1", name)
    elif _BARE_NUMBER.search(name):
        yield _BARE_NUMBER.sub(r" type \1", name)


def _add_found(names: dict[str, set[str]], answers: Iterable[str], words: Words) -> None:
    documents = defaultdict(list)
    for document, known in names.items():
        for name in known:
            documents[name].append(document)
    for answer in answers:
        for name, alias in [*_acronyms(answer, words), *_brands(answer)]:
            for document in documents.get(name, ()):
                names[document].add(alias)


def _acronyms(answer: str, words: Words) -> Iterator[tuple[str, str]]:
    for match in _ACRONYM.finditer(answer):
        letters = [letter.lower() for letter in match[1] if letter.isalpha()]
        if sum(letter.isupper() for letter in match[1]) < 2:
            continue
        before = answer[max(0, match.start() - _EXPANSION_CHARACTERS) : match.start()]
        split = words(before)
        for count in range(max(1, len(letters) - 1), len(letters) + 1 + _EXTRA_WORDS):
            expansion = split[-count:]
            if len(expansion) == count and _abbreviates(letters, expansion):
                yield " ".join(expansion), topic_name(match[1], words)
                break


def _abbreviates(letters: list[str], words: list[str]) -> bool:
    """Whether the letters are initials of the words, in order, from the first word on."""
    initials = iter(word[0] for word in words)
    return words[0][0] == letters[0] and all(letter in initials for letter in letters)


def _brands(answer: str) -> Iterator[tuple[str, str]]:
    for match in _BRAND.finditer(answer):
        brand = match[2].lower()
        if not is_everyday(brand):
            yield match[1], brand
            yield match[1].split()[-1], brand


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
