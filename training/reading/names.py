"""Names of topics: in a question as people write it, exchanged in a text, and nearly the same.

A text whose topic and genes get other names says what no text of the training says: whoever
answers from it must have read it. Knows nothing about models or tokens.
"""

import re
from collections.abc import Sequence
from random import Random

import bm25s

_NUMBER = re.compile(r",? (?:type |stage )?(?:\d+[A-Z]?|[IVX]+|[A-E])$")
_NUMBERINGS = (
    (" type {}", "123456"),
    (", type {}", "12345"),
    (" type {}", ("I", "II", "III", "IV")),
    (" {}", "123456789"),
    (" type {}", "ABCDE"),
    (" type {}", ("1A", "1B", "2A", "2B", "2C")),
)
_GENE = re.compile(r"\b(?!DNA\b|RNA\b)(?=[A-Z0-9]*[A-Z])[A-Z][A-Z0-9]{1,8}(?:orf\d+)?(?= genes?\b)")
_LETTERS, _DIGITS = "ABCDEFGHIKLMNOPRSTX", "123456789"
_SIBLINGS = 12


def exchanged(text: str, old: str, new: str) -> str:
    """Return a text with a name, however it is capitalised, replaced by another."""

    def one(found: re.Match[str]) -> str:
        return new[:1].upper() + new[1:] if found[0][:1].isupper() else new

    return re.sub(rf"(?<!\w){re.escape(old)}(?!\w)", one, text, flags=re.IGNORECASE)


def numbered(name: str, random: Random) -> tuple[str, str]:
    """Return two names that differ in their number alone."""
    form, labels = random.choice(_NUMBERINGS)
    bare = _NUMBER.sub("", name)
    return tuple(bare + form.format(label) for label in random.sample(labels, 2))  # type: ignore[return-value]  # two were drawn


def genes(text: str) -> list[str]:
    """Return the symbols of the genes that a text names, each once: `NF1` of "the NF1 gene"."""
    return list(dict.fromkeys(_GENE.findall(text)))


def with_other_genes(text: str, random: Random) -> str:
    """Return a text whose genes have symbols that are made up."""
    for symbol in genes(text):
        letters = "".join(random.choices(_LETTERS, k=random.randint(2, 4)))
        made_up = letters + "".join(random.choices(_DIGITS, k=random.randint(0, 2)))
        text = re.sub(rf"\b{symbol}\b", made_up, text)
    return text


class Siblings:
    """Which of some names are most like one of them, by BM25 over their words."""

    def __init__(self, names: Sequence[str]) -> None:
        self._names = sorted(set(names))
        self._engine = bm25s.BM25()
        self._engine.index([_words(name) for name in self._names], show_progress=False)
        self._found: dict[str, list[str]] = {}

    def of(self, name: str) -> list[str]:
        """Return the names most like a name, itself left out, the nearest first."""
        if name not in self._found:
            words = [word for word in _words(name) if word in self._engine.vocab_dict]
            near: list[str] = []
            if words:
                scores = self._engine.get_scores(words)
                order = scores.argsort()[::-1][: _SIBLINGS + 1]
                near = [self._names[place] for place in order if scores[place] > 0]
            self._found[name] = [other for other in near if other != name][:_SIBLINGS]
        return self._found[name]


def _words(text: str) -> list[str]:
    return re.findall(r"\w+", text.lower())
