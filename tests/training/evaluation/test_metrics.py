"""Metrics from sums, against the libraries that they come from; intervals that topics decide."""

import math

import numpy as np
import pandas as pd
import pytest
from sacrebleu.metrics.bleu import BLEU

from training.evaluation.longest_span import TrainingText
from training.evaluation.metrics import METRICS, difference, measure
from training.evaluation.scores import Answer, score

ANSWERS = ["the airways of the lungs are narrow", "with diet and insulin", "nobody knows why"]
REFERENCES = [
    ["the airways of the lungs are narrow in asthma", "a disease of the lungs"],
    ["with diet, exercise and insulin", "with insulin"],
    ["a clot in the brain", "the cause is not known"],
]


def table(**columns: list[float]) -> pd.DataFrame:
    return pd.DataFrame(columns, dtype=float)


def groups(*names: str) -> "pd.Series[str]":
    return pd.Series(names)


def test_bleu_from_sums_is_sacrebleus() -> None:
    training = TrainingText([])
    rows = [
        score(Answer(answer), references, training)
        for answer, references in zip(ANSWERS, REFERENCES, strict=True)
    ]
    expected = BLEU().corpus_score(
        ANSWERS, [list(column) for column in zip(*REFERENCES, strict=True)]
    )
    found = measure(METRICS["bleu"], pd.DataFrame(rows), groups("a", "b", "c"))
    assert found["value"] == pytest.approx(expected.score / 100)
    ratio = measure(METRICS["length_ratio"], pd.DataFrame(rows), groups("a", "b", "c"))
    assert ratio["value"] == pytest.approx(expected.sys_len / expected.ref_len)


def test_bits_and_perplexity_of_a_coin() -> None:
    sums = table(nats=[8 * math.log(2), 16 * math.log(2)], bytes=[4, 8], tokens=[8, 16])
    assert measure(METRICS["bits_per_byte"], sums, groups("a", "b"))["value"] == pytest.approx(2)
    assert measure(METRICS["perplexity"], sums, groups("a", "b"))["value"] == pytest.approx(2)


def test_the_interval_holds_the_value_and_repeats() -> None:
    generator = np.random.default_rng(1)
    sums = table(rouge_l=generator.random(200).tolist(), answers=[1.0] * 200)
    names = groups(*(str(number) for number in range(200)))
    found = measure(METRICS["rouge_l"], sums, names)
    assert found == measure(METRICS["rouge_l"], sums, names)
    low, value, high = (found[end] for end in ("low", "value", "high"))
    assert low is not None
    assert value is not None
    assert high is not None
    assert low < value < high
    # The normal approximation of a uniform mean: 1.96 · √(1/12 / 200) on each side.
    assert high - low == pytest.approx(2 * 1.96 * math.sqrt(1 / 12 / 200), rel=0.15)


def test_questions_on_one_topic_are_no_independent_evidence() -> None:
    sums = table(rouge_l=[0.0] * 50 + [1.0] * 50, answers=[1.0] * 100)
    apart = measure(METRICS["rouge_l"], sums, groups(*map(str, range(100))))
    together = measure(METRICS["rouge_l"], sums, groups(*(str(n // 25) for n in range(100))))
    assert together["value"] == apart["value"] == 0.5
    assert together["low"] == 0
    assert apart["low"] is not None
    assert apart["low"] > 0.35


def test_one_topic_has_no_interval() -> None:
    found = measure(METRICS["rouge_l"], table(rouge_l=[0.5], answers=[1.0]), groups("a"))
    assert found == {"value": 0.5, "low": None, "high": None}


def test_what_is_no_number_is_none() -> None:
    none = measure(METRICS["rouge_l"], table(rouge_l=[0.0], answers=[0.0]), groups("a"))
    huge = measure(METRICS["perplexity"], table(nats=[1e6], tokens=[1.0]), groups("a"))
    assert none["value"] is None
    assert huge["value"] is None


def test_a_difference_is_paired_on_the_rows_that_both_have() -> None:
    left = table(rouge_l=[0.2, 0.6, 1.0], answers=[1.0] * 3)
    right = table(rouge_l=[0.1, 0.5], answers=[1.0] * 2)
    found = difference(METRICS["rouge_l"], left, right, groups("a", "b", "c"))
    # Either resample of two topics differs by the same tenth: paired, the interval is a point.
    assert [found[end] for end in ("value", "low", "high")] == pytest.approx([0.1] * 3)
