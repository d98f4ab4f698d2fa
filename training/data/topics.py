"""Which rows are about one topic, so that none of them is tested on when another was learned.

Knows nothing about splits.
"""

import hashlib
import re
from collections import defaultdict
from collections.abc import Iterable, Sequence

import pandas as pd
from scipy.cluster.hierarchy import DisjointSet

_SHARED_CUI_FOCI = 3


def normalise(text: str) -> str:
    """Return a text's words, lower-case, so that case and punctuation make no difference."""
    return " ".join(re.findall(r"\w+", text.lower()))


def clusters(pairs: Iterable[tuple[int, int]]) -> list[list[int]]:
    """Return the connected sets of near-identical rows."""
    pairs = list(pairs)
    groups = DisjointSet(sorted({row for pair in pairs for row in pair}))
    for left, right in pairs:
        groups.merge(left, right)
    return sorted(sorted(members) for members in groups.subsets())


def group_ids(
    table: pd.DataFrame, foci: Sequence[str], near: Iterable[tuple[int, int]]
) -> list[str]:
    """Join foci that are one topic; return each row's group, named by a hash of its first focus."""
    topics = _topics(table, foci)
    known = set(topics)
    groups = DisjointSet(sorted(known))
    by_cui: dict[str, set[str]] = defaultdict(set)
    for topic, synonyms, cuis in zip(topics, table["Synonyms"], table["AllCUIs"], strict=True):
        for name in {normalise(name) for name in synonyms.split("|")} & known:
            groups.merge(topic, name)
        for cui in filter(None, cuis.split("|")):
            by_cui[cui].add(topic)
    for sharing in by_cui.values():
        if len(sharing) <= _SHARED_CUI_FOCI:
            first, *others = sorted(sharing)
            for other in others:
                groups.merge(first, other)
    for left, right in near:
        groups.merge(topics[left], topics[right])
    names = {topic: min(members) for members in groups.subsets() for topic in members}
    return [f"g{stable_hash(names[topic])[:10]}" for topic in topics]


def _topics(table: pd.DataFrame, foci: Sequence[str]) -> list[str]:
    """Return what each row is about: its focus, or its document, or else its question.

    In a table where some rows name a focus, those that name none are one topic together.
    """
    documents = [
        f"{collection}/{file}"
        for collection, file in zip(table["Collection"], table["File"], strict=True)
    ]
    if not any(foci) and set(documents) == {"/"}:
        return [normalise(question) for question in table["Question"]]
    return [focus or document for focus, document in zip(foci, documents, strict=True)]


def stable_hash(key: str) -> str:
    """Return a hash that is the same on every machine, to choose by."""
    return hashlib.sha256(key.encode()).hexdigest()
