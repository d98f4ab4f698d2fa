"""Two answers that take no language model: the nearest training question's, and a canned one.

Whoever claims that a model learned to answer has to beat both. Knows nothing about models.
"""

import hashlib
import logging
import re
from collections.abc import Sequence

import bm25s

MOST_COMPARED = 400
logging.getLogger("bm25s").setLevel(logging.WARNING)  # it sets its own to DEBUG


def nearest_answers(
    questions: Sequence[str], answers: Sequence[str], asked: Sequence[str]
) -> list[str]:
    """Return for each question asked the answer of the nearest of `questions`, by BM25.

    Lucene's BM25 (Robertson & Zaragoza 2009; k1 1.5, b 0.75) over lower-case words, none left
    out; of equally near ones the first, whatever order they come in.

    Args:
        questions: training questions.
        answers: their answers, as many.
        asked: the questions to answer.
    """
    pairs = sorted(zip(questions, answers, strict=True))
    places = nearest_places([question for question, _ in pairs], asked)
    return [pairs[place][1] for place in places]


def nearest_places(questions: Sequence[str], asked: Sequence[str]) -> list[int]:
    """Return for each question asked the place of the nearest of `questions`, by BM25."""
    retriever = bm25s.BM25()
    retriever.index([_words(question) for question in questions], show_progress=False)
    found = []
    for text in asked:
        words = [word for word in _words(text) if word in retriever.vocab_dict]
        found.append(int(retriever.get_scores(words).argmax()) if words else 0)
    return found


def canned_answers(types: Sequence[str], answers: Sequence[str]) -> dict[str, str]:
    """Return one answer for each question type, and under "" one for all others.

    It is the most central of the type's training answers: the one whose words are on average most
    like another's (Dice's coefficient of their sets), which is near what ROUGE will ask of it. Of
    a type with many answers, `MOST_COMPARED` stand for all, chosen by a hash of their text.
    """
    by_type: dict[str, set[str]] = {"": set(answers)}
    for kind, answer in zip(types, answers, strict=True):
        by_type.setdefault(kind, set()).add(answer)
    return {kind: _most_central(some) for kind, some in by_type.items()}


def _most_central(answers: set[str]) -> str:
    compared = sorted(answers, key=lambda text: hashlib.sha256(text.encode()).digest())
    words = {answer: frozenset(_words(answer)) for answer in compared[:MOST_COMPARED]}

    def likeness(answer: str) -> float:
        own = words[answer]
        return sum(
            2 * len(own & other) / (len(own) + len(other)) for other in words.values() if other
        )

    return max(words, key=likeness)


def _words(text: str) -> list[str]:
    return re.findall(r"\w+", text.lower())
