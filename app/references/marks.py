"""What can honestly be said of each sentence of an answer: a mark, held against published texts.

A sentence `stands_in` a text if all its words that tell something stand there in one sentence, one
after the other, and none before them denies or doubts what follows. It is contradicted where that
differs in numbers or in a denial only, or where it names genes, a pattern of inheritance or a rate
of which none is in the texts, while they name others. Words agree or they do not: nothing here
knows what is true, and `python -m benchmarks marks` says how far the marks can be trusted.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import lru_cache
from typing import Literal, NamedTuple

from rapidfuzz.distance import LCSseq

from app.references.claims import Claim, Why, claim, sentences, turns

Mark = Literal["stands_in", "contradicts", "not_found", "unchecked"]

_LEAST_WORDS = 3
"""A sentence of fewer telling words says too little to be found, or not found."""
_NEAR = 0.8
"""Of the longer one's telling words: what a contradicted sentence has in common with it."""
_READ_CHARACTERS = 5_000
"""Of each text: reading a book for one sentence holds up others."""
_REMEMBERED_TEXTS = 64


class Evidence(NamedTuple):
    """Something published, and what it is about."""

    id: str
    topic: str
    text: str | None
    """None: its licence allows a link only."""
    probability: float
    """That it is good for what was asked, 0-1."""
    read: bool = False
    """Whether the model read it: then it counts, whatever it is about."""


class Marked(NamedTuple):
    """A sentence of an answer; `start` and `end`, which is excluded, are in code points."""

    start: int
    end: int
    mark: Mark
    why: Why | None = None
    """In what it contradicts."""
    text_id: str | None = None
    """The text that it stands in, or contradicts."""
    published: str | None = None
    """The sentence there."""


class _Sentence(NamedTuple):
    """A sentence of a text."""

    text_id: str
    claim: Claim


def marked(answer: str, texts: Sequence[Evidence]) -> list[Marked]:
    """Return the marks of an answer's sentences, in order; a sentence is what has words.

    Args:
        answer: as a model wrote it.
        texts: what was found, the best first. Only those on its topic count, and what was read;
            where of that topic no more than a link is known, those on the topic of the first that
            is as likely.
    """
    published = [
        _Sentence(text.id, said)
        for text in _on_topic(texts)
        for said in _read((text.text or "")[:_READ_CHARACTERS])
    ]
    return [
        Marked(start, end, *_mark(claim(answer[start:end]), published))
        if published
        else Marked(start, end, "unchecked")
        for start, end in sentences(answer)
    ]


def _on_topic(texts: Sequence[Evidence]) -> list[Evidence]:
    """Return the texts about what was asked."""
    likeliest = [each for each in texts if each.text and each.probability >= texts[0].probability]
    topic = likeliest[0].topic.casefold() if likeliest else None
    return [each for each in texts if each.text and (each.read or each.topic.casefold() == topic)]


@lru_cache(_REMEMBERED_TEXTS)
def _read(text: str) -> list[Claim]:
    """Return what a text says; both sides of a comparison are held against the same ones."""
    return [claim(text[start:end]) for start, end in sentences(text)]


def _mark(
    said: Claim, published: Sequence[_Sentence]
) -> tuple[Mark, Why | None, str | None, str | None]:
    if len(said.words) < _LEAST_WORDS:
        return "unchecked", None, None, None
    for each in published:
        if _stands_in(said, each.claim):
            return "stands_in", None, each.text_id, each.claim.text
    if contradicted := next(_contradictions(said, published), None):
        why, found = contradicted
        return "contradicts", why, found.text_id, found.claim.text
    return "not_found", None, None, None


def _stands_in(said: Claim, published: Claim) -> bool:
    """Whether a published sentence says what is said, nearly word for word."""
    before, found, _ = _spaced(published.words).partition(_spaced(said.words))
    return bool(found) and not any(map(turns, before.split()))


def _spaced(words: Sequence[str]) -> str:
    return f" {' '.join(words)} "


def _contradictions(said: Claim, published: Sequence[_Sentence]) -> Iterator[tuple[Why, _Sentence]]:
    """Yield in what published sentences contradict what is said."""
    facts: tuple[tuple[Why, Callable[[Claim], frozenset[str]]], ...] = (
        ("inheritance", lambda each: each.patterns),
        ("gene", lambda each: each.genes),
        ("number", lambda each: each.rates),
    )
    for why, of in facts:
        stating = [each for each in published if of(each.claim)]
        known = frozenset[str]().union(*(of(each.claim) for each in stating))
        if why == "gene":  # a symbol that stands anywhere is not made up
            known = known.union(*(each.claim.symbols for each in published))
        if stating and of(said) and not any(_agree(fact, known) for fact in of(said)):
            nearest = max(stating, key=lambda each: _shared(said, each.claim))
            yield why, stating[0] if why == "inheritance" else nearest  # later ones explain it
    for each in published:
        if _shared(said, each.claim) < _NEAR:
            continue
        numbers = each.claim.numbers
        if said.numbers and numbers and not said.numbers & numbers:
            yield "number", each
        if said.hedges == each.claim.hedges and bool(said.negations) != bool(each.claim.negations):
            yield "negation", each


def _agree(fact: str, known: Iterable[str]) -> bool:
    """Whether a fact is among those known; `x` is `x recessive` with less said."""
    parts = set(fact.split())
    return any(parts <= set(other.split()) or set(other.split()) <= parts for other in known)


def _shared(said: Claim, published: Claim) -> float:
    """Return the share of what two sentences are about that both have, in the same order."""
    longest = max(len(said.telling), len(published.telling))
    return LCSseq.similarity(said.telling, published.telling) / longest if longest else 0.0
