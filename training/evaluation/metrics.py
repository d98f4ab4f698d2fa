"""Every metric as a function of sums over questions, and its 95% interval over topic groups.

Because a metric needs the sums alone, a bootstrap sample of topic groups is scored from theirs:
questions on one topic are no independent evidence. Knows nothing about models.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
from sacrebleu.metrics.bleu import BLEU
from scipy import stats

RESAMPLES = 1_000
CONFIDENCE = 0.95
_SEED = 0
BLEU_ORDERS = 4

Totals = npt.NDArray[np.float64]


class Metric(NamedTuple):
    """A metric: what it is for a person, the sums that it needs, and what it makes of them."""

    title: str
    says: str
    sums: tuple[str, ...]
    of: Callable[[Totals], float]
    less_is_better: bool | None = False
    """None where neither is."""
    number: str = "{:.3f}"
    """How a person reads it."""


def _ratio(totals: Totals) -> float:
    return float(totals[0] / totals[1]) if totals[1] else math.nan


def _bits_per_byte(totals: Totals) -> float:
    return _ratio(totals) / math.log(2)


def _perplexity(totals: Totals) -> float:
    with np.errstate(over="ignore"):  # infinite is no number in the end
        return float(np.exp(_ratio(totals)))


def _bleu(totals: Totals) -> float:
    """Return corpus BLEU in 0-1 (Papineni et al. 2002) from matches, n-grams and lengths."""
    counts = [int(total) for total in totals]
    matches, grams = counts[:BLEU_ORDERS], counts[BLEU_ORDERS:-2]
    scored = BLEU.compute_bleu(matches, grams, counts[-2], counts[-1], smooth_method="exp")
    return scored.score / 100


_ORDERS = range(1, BLEU_ORDERS + 1)
BLEU_SUMS = (
    *(f"bleu_matches_{order}" for order in _ORDERS),
    *(f"bleu_grams_{order}" for order in _ORDERS),
    "answer_tokens",
    "reference_tokens",
)


def _mean(title: str, says: str, name: str, **more: Any) -> Metric:
    return Metric(title, says, (name, "answers"), _ratio, **more)


METRICS = {
    "bits_per_byte": Metric(
        "Bits per byte",
        "information in every published answer given its question, by the model, over the "
        "answers' UTF-8 bytes; fair between vocabularies",
        ("nats", "bytes"),
        _bits_per_byte,
        less_is_better=True,
    ),
    "perplexity": Metric(
        "Perplexity",
        "the same per token of the model's own vocabulary, as a power: only models that share a "
        "vocabulary can be compared by it",
        ("nats", "tokens"),
        _perplexity,
        less_is_better=True,
        number="{:.1f}",
    ),
    "rouge_1": _mean(
        "ROUGE-1", "F1 of the words that answer and published answer share", "rouge_1"
    ),
    "rouge_2": _mean("ROUGE-2", "the same of word pairs", "rouge_2"),
    "rouge_l": _mean("ROUGE-L", "the same of their longest common subsequence", "rouge_l"),
    "bleu": Metric(
        "BLEU", "n-grams shared, of all answers together (sacrebleu's defaults)", BLEU_SUMS, _bleu
    ),
    "token_f1": _mean("Token F1", "F1 of words shared, as SQuAD counts: no articles", "token_f1"),
    "end_rate": _mean(
        "Ended",
        "answers that the model ends by itself within the limit",
        "ended",
        number="{:.1%}",
    ),
    "repeated": _mean(
        "Repeated 4-grams",
        "share of an answer's word 4-grams that it had already",
        "repeated",
        less_is_better=True,
        number="{:.1%}",
    ),
    "repeating": _mean(
        "Repeating",
        "answers of whose word 4-grams at least 20% are repeated",
        "repeating",
        less_is_better=True,
        number="{:.1%}",
    ),
    "length_ratio": Metric(
        "Length ratio",
        "tokens of all answers over those of the published answers nearest in length",
        ("answer_tokens", "reference_tokens"),
        _ratio,
        less_is_better=None,
        number="{:.2f}",
    ),
    "copied": _mean(
        "Copied",
        "share of an answer's words in the longest span that a training answer has word for word",
        "copied",
        less_is_better=None,
        number="{:.1%}",
    ),
    "copied_words": _mean(
        "Copied words",
        "words in that span, on average",
        "copied_words",
        less_is_better=None,
        number="{:.1f}",
    ),
    "stock": _mean(
        "Stock phrases",
        "share of an answer's words in runs of 8 or more that a training answer has word for word",
        "stock",
        less_is_better=None,
        number="{:.1%}",
    ),
    "common_stock": _mean(
        "Common stock phrases",
        "share of its words in such runs that training answers on 13 topics or more have",
        "common_stock",
        less_is_better=None,
        number="{:.1%}",
    ),
}
DISTINCT_2 = Metric(
    "Distinct-2",
    "distinct word pairs over all word pairs of the answers together, on the questions that the "
    "base answered; no interval, since answers drawn twice are no new ones",
    (),
    _ratio,
)
"""Li et al. 2016; apart, because it is no function of sums over questions."""

TITLES = METRICS | {"distinct_2": DISTINCT_2}


def measure(
    metric: Metric, sums: pd.DataFrame, groups: "pd.Series[str]"
) -> dict[str, float | None]:
    """Return a metric's value and the ends, `low` and `high`, of its 95% interval.

    Args:
        metric: one of `METRICS`.
        sums: a row for each question with the columns in `metric.sums`.
        groups: each row's topic group.

    The interval is the percentile bootstrap (Efron 1979) over groups; its ends are None with
    fewer than two.
    """
    return _interval(metric.of, sums[list(metric.sums)], groups)


def difference(
    metric: Metric, left: pd.DataFrame, right: pd.DataFrame, groups: "pd.Series[str]"
) -> dict[str, float | None]:
    """Return left's value minus right's on the rows that both have, with its paired interval."""
    names = list(metric.sums)
    ours, theirs = left[names].add_suffix(" left"), right[names].add_suffix(" right")
    both = ours.join(theirs, how="inner")

    def of(totals: Totals) -> float:
        return metric.of(totals[: len(names)]) - metric.of(totals[len(names) :])

    return _interval(of, both, groups.loc[both.index])


def _interval(
    of: Callable[[Totals], float], sums: pd.DataFrame, groups: "pd.Series[str]"
) -> dict[str, float | None]:
    by_group = sums.groupby(groups).sum()
    columns: Sequence[Totals] = [by_group[name].to_numpy(dtype=float) for name in by_group]

    def statistic(*samples: Totals, axis: int = -1) -> Any:
        totals = np.stack([sample.sum(axis=axis) for sample in samples])
        return np.apply_along_axis(of, 0, totals)

    value = _finite(statistic(*columns))
    if len(by_group) == 1:
        return {"value": value, "low": None, "high": None}
    found = stats.bootstrap(
        columns,
        statistic,
        paired=True,
        vectorized=True,
        n_resamples=RESAMPLES,
        confidence_level=CONFIDENCE,
        method="percentile",
        rng=np.random.default_rng(_SEED),
    ).confidence_interval
    return {"value": value, "low": _finite(found.low), "high": _finite(found.high)}


def _finite(value: Any) -> float | None:
    return float(value) if np.isfinite(value) else None
