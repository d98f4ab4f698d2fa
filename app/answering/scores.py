"""How near one text comes to another, in words: ROUGE-L and SQuAD's F1.

Knows nothing about models. `training.evaluation.scores` counts alike: the packages share no code,
and a test compares them.
"""

import re
import string
from collections import Counter

from rapidfuzz.distance import LCSseq

_WORD = re.compile("[a-z0-9]+")
_ARTICLE = re.compile(r"\b(?:a|an|the)\b")
_WITHOUT_PUNCTUATION = str.maketrans("", "", string.punctuation)


def rouge_l(reference: str, answer: str) -> float:
    """Return the F1 of the longest common subsequence of words (Lin 2004).

    As rouge-score counts it, whose import alone takes seconds, and whose loop would hold up every
    other answer for a second where a reference is as long as a request may be.
    """
    expected, given = _words(reference), _words(answer)
    common = LCSseq.similarity(expected, given)
    return 2 * common / (len(expected) + len(given)) if common else 0.0


def token_f1(reference: str, answer: str) -> float:
    """Return the F1 of shared words, counted with multiplicity.

    As SQuAD's evaluation script 1.1 counts it (Rajpurkar et al. 2016): lower case, without ASCII
    punctuation and articles. Nothing shared, nothing at all among it, is 0.
    """
    expected, given = Counter(_squad_words(reference)), Counter(_squad_words(answer))
    shared = (expected & given).total()
    return 2 * shared / (expected.total() + given.total()) if shared else 0.0


def _words(text: str) -> list[str]:
    """Return lower-case words as rouge-score cuts them, without stemming."""
    return _WORD.findall(text.lower())


def _squad_words(text: str) -> list[str]:
    """Return words as SQuAD's script compares them."""
    return _ARTICLE.sub(" ", text.lower().translate(_WITHOUT_PUNCTUATION)).split()
