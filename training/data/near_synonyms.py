"""How many topics that are held out have a near synonym among those trained on.

`Niemann-Pick disease type A` is no other topic's name, but who learned of Niemann-Pick disease has
heard of it. Such topics are counted, not moved: where they stand is a matter of taste, and most of
the answers differ. Knows nothing about how topics are grouped or split.
"""

import re

import pandas as pd

from training.data.topics import normalise

_VARIANT = frozenset(
    """
    type types form forms group stage class variant subtype and of the with due to related
    disease diseases disorder disorders syndrome syndromes familial hereditary inherited genetic
    congenital neonatal infantile childhood juvenile adult late early onset acute chronic primary
    secondary classic isolated autosomal dominant recessive x y linked
    i ii iii iv v vi vii viii ix x
    """.split()  # noqa: SIM905 - a list of so many words is longer than it is clear
)
_NUMBER = re.compile(r"\d+[a-z]{0,2}|[a-z]")


def near_synonyms(table: pd.DataFrame, split: str) -> dict[str, int]:
    """Return how many topics and rows of a split are a variant of a topic trained on.

    Two names are variants of one another where the same words are left without numbers, types,
    ages of onset and modes of inheritance.
    """
    kept = table[table["FocusFixed"] != ""]
    stems = pd.Series([_stem(name) for name in kept["FocusFixed"]], index=kept.index)
    trained = set(stems[kept["Split"] == "train"]) - {frozenset()}
    near = kept[(kept["Split"] == split) & stems.isin(trained)]
    return {"topics": near["GroupId"].nunique(), "rows": len(near)}


def _stem(name: str) -> frozenset[str]:
    return frozenset(
        word
        for word in normalise(name).split()
        if word not in _VARIANT and not _NUMBER.fullmatch(word)
    )
