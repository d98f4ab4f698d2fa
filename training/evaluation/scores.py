"""One answer beside the published ones: everything that the metrics need of it, as sums.

Knows nothing about models or intervals. What is a mean over answers in the end is 0-1 here.
"""

import re
import string
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from rouge_score.rouge_scorer import RougeScorer
from rouge_score.tokenizers import DefaultTokenizer, Tokenizer
from sacrebleu.metrics.bleu import BLEU

from training.evaluation.longest_span import TrainingText
from training.evaluation.metrics import BLEU_ORDERS

REPEATING = 0.2
"""Share of repeated 4-grams from which an answer counts as repeating itself."""
_GRAM_WORDS = 4
_ARTICLE = re.compile(r"\b(?:a|an|the)\b")
_WITHOUT_PUNCTUATION = str.maketrans("", "", string.punctuation)


class Answer(NamedTuple):
    """An answer; `ended` says whether its model ended it, None where there is no model."""

    text: str
    ended: bool | None = None


class _Squad(Tokenizer):  # type: ignore[misc] # rouge-score is untyped
    """Words as SQuAD's script 1.1 compares them (Rajpurkar et al. 2016).

    `app.answering.scores` has the same for the service: the packages share no code.
    """

    def tokenize(self, text: str) -> list[str]:
        return _ARTICLE.sub(" ", text.lower().translate(_WITHOUT_PUNCTUATION)).split()


_ROUGE = RougeScorer(["rouge1", "rouge2", "rougeL"], tokenizer=DefaultTokenizer(use_stemmer=False))
_SQUAD = RougeScorer(["rouge1"], tokenizer=_Squad())  # its F1 of shared words is SQuAD's
_BLEU = BLEU(effective_order=True)


def score(answer: Answer, references: Sequence[str], training: TrainingText) -> dict[str, float]:
    """Return one answer's sums; of several references the nearest counts, for each metric apart."""
    rouge = _ROUGE.score_multi(references, answer.text)
    bleu = _BLEU.sentence_score(answer.text, list(references))
    repeated = repeated_share(answer.text)
    span, words = training.longest_span(answer.text)
    stock, common = training.stock_words(answer.text)
    sums = {
        "answers": 1.0,
        "rouge_1": rouge["rouge1"].fmeasure,
        "rouge_2": rouge["rouge2"].fmeasure,
        "rouge_l": rouge["rougeL"].fmeasure,
        "token_f1": _SQUAD.score_multi(references, answer.text)["rouge1"].fmeasure,
        "repeated": repeated,
        "repeating": float(repeated >= REPEATING),
        "copied": span / words if words else 0.0,
        "copied_words": float(span),
        "stock": stock / words if words else 0.0,
        "common_stock": common / words if words else 0.0,
        "answer_tokens": float(bleu.sys_len),
        "reference_tokens": float(bleu.ref_len),
    }
    if answer.ended is not None:
        sums["ended"] = float(answer.ended)
    for order in range(BLEU_ORDERS):
        sums[f"bleu_matches_{order + 1}"] = float(bleu.counts[order])
        sums[f"bleu_grams_{order + 1}"] = float(bleu.totals[order])
    return sums


def repeated_share(text: str) -> float:
    """Return the share of a text's word 4-grams that it had already, in 0-1.

    1 - distinct / all, as seq-rep-4 of Welleck et al. 2019 over words; 0 for fewer than 4 words.
    """
    grams = _grams(text, _GRAM_WORDS)
    return 1 - len(set(grams)) / len(grams) if grams else 0.0


def distinct_2(texts: Sequence[str]) -> float:
    """Return distinct word pairs over all word pairs of the texts together, in 0-1."""
    pairs = Counter(pair for text in texts for pair in _grams(text, 2))
    return len(pairs) / pairs.total() if pairs else 0.0


def _grams(text: str, words: int) -> list[tuple[str, ...]]:
    found = text.lower().split()
    return list(zip(*(found[start:] for start in range(words)), strict=False))
