"""One page on one model: what it can do, beside which baselines, and what it is not for.

Every number and sentence is made from `metrics.json`, `samples.jsonl` and `training.json`; knows
nothing about how they were measured.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from training.evaluation.metrics import CONFIDENCE, METRICS, RESAMPLES, TITLES
from training.evaluation.samples import RULE
from training.evaluation.systems import SYSTEMS, WHAT
from training.report.limits import LIMITS, NOT_FOR
from training.report.model_plots import by_kind, curves
from training.report.page import Column, Sample, Section, Table, page
from training.report.tables import (
    SPLITS,
    differences_table,
    number,
    splits_table,
    systems_table,
    verdict,
    with_interval,
)

_SHOWN = tuple(SYSTEMS)
_BY_SPLIT = ("bits_per_byte", "rouge_l", "bleu", "end_rate", "repeating", "copied")

Figures = Mapping[str, Any]


def report(
    figures: Figures,
    samples: Sequence[Mapping[str, Any]],
    logs: Mapping[str, Sequence[Mapping[str, Any]]],
) -> str:
    """Return the page's HTML.

    Args:
        figures: what `evaluate` returned.
        samples: the questions to show side by side.
        logs: the titles of learning curves with Trainer's logs of them.
    """
    first, split = next(iter(figures["splits"].items()))
    versions = ", ".join(f"{name} {version}" for name, version in figures["versions"].items())
    return page(
        f"{figures['model']}, evaluated",
        f"{figures['parameters']['fine_tuned'] / 1e6:.1f}M parameters, fine-tuned on MedQuAD to "
        f"answer health questions. It makes things up: {NOT_FOR[0].lower()}{NOT_FOR[1:]}",
        [
            _main(first, split, figures),
            _distance(first, split),
            _splits(figures),
            *([curves(logs)] if logs else []),
            by_kind(first, split),
            _samples(first, split, samples),
            Section("limits", "What it is not for", " ".join([NOT_FOR, *LIMITS]), [], []),
            _method(figures),
        ],
        f"Made by python -m training evaluate from {figures['data']['file']} (SHA-256 "
        f"{figures['data']['sha256']}), code {figures['revision'] or 'of no git revision'}; "
        f"{versions}; {figures['device']}. Data: MedQuAD (Ben Abacha & Demner-Fushman 2019), "
        "CC BY 4.0.",
    )


def _main(name: str, split: Figures, figures: Figures) -> Section:
    systems = split["systems"]
    ours, base = systems["fine_tuned"], systems["base"]
    bits = METRICS["bits_per_byte"]
    return Section(
        "results",
        SPLITS[name],
        f"{split['questions']:,} questions on {split['groups']:,} topics, with "
        f"{split['rows']:,} published answers. The base needs "
        f"{number(bits, base['bits_per_byte']['value'])} bits for each byte of them, the "
        f"fine-tuned model {number(bits, ours['bits_per_byte']['value'])}. "
        f"{number(METRICS['end_rate'], ours['end_rate']['value'])} of its greedy answers end by "
        f"themselves within {figures['decoding']['max_new_tokens']} tokens, and "
        f"{number(METRICS['repeating'], ours['repeating']['value'])} repeat themselves. None of "
        "these figures says whether an answer is true. In brackets: 95% intervals over topics.",
        [],
        [
            Table("results", _title(name, split), systems_table(split, _SHOWN, list(TITLES))),
            Table("systems", "Who answers", _systems(split)),
        ],
    )


def _systems(split: Figures) -> pd.DataFrame:
    return pd.DataFrame(
        [(SYSTEMS[name], WHAT[name], found["answers"]) for name, found in split["systems"].items()],
        columns=["System", "What it is", "Questions answered"],
    )


def _distance(name: str, split: Figures) -> Section:
    """Say openly how far the model is from answers that take no model."""
    rouge = METRICS["rouge_l"]
    sentences = []
    for other in ("canned", "nearest"):
        found = split["differences"][other]["rouge_l"]
        sentences.append(
            f"By ROUGE-L the fine-tuned model is {_told(verdict(rouge, found))} "
            f"the {SYSTEMS[other].lower()}: {with_interval(rouge, found, '+')}."
        )
    return Section(
        "baselines",
        "Beside the baselines",
        " ".join(sentences)
        + " A baseline quotes published text, mostly about another topic; the model writes about "
        "the topic, and may make it up. Likeness in words tells neither.",
        [],
        [Table("differences", f"Differences, {SPLITS[name].lower()}", differences_table(split))],
    )


def _told(verdict: str) -> str:
    return {"better": "better than", "worse": "worse than"}.get(verdict, "not to be told from")


def _splits(figures: Figures) -> Section:
    splits = figures["splits"]
    text = (
        "The test and validation splits share no question and no near-identical answer with "
        "training; those of topics never seen share no topic either."
    )
    if random := splits.get("random"):
        text += (
            f" A random split, as often reported, leaks: {random['trained_share']:.1%} of those "
            "rows, drawn from all by a hash, are rows that this model was trained on, and the "
            "nearest question is then mostly the question itself. Their figures say how well it "
            "remembers."
        )
    tables = [
        Table(f"{system}-splits", SYSTEMS[system], splits_table(splits, system, _BY_SPLIT))
        for system in ("fine_tuned", "base", "nearest", "canned")
    ]
    whole = [
        Table(
            f"{name}-results", _title(name, split), systems_table(split, _SHOWN, list(TITLES)), True
        )
        for name, split in list(splits.items())[1:]
    ]
    return Section("splits", "Every split", text, [], tables + whole)


def _title(name: str, split: Figures) -> str:
    return f"{SPLITS[name]}: {split['questions']:,} questions on {split['groups']:,} topics"


def _samples(name: str, split: Figures, samples: Sequence[Mapping[str, Any]]) -> Section:
    return Section(
        "samples",
        f"{len(samples)} samples",
        f"From {SPLITS[name].lower()}, {split['questions']:,} questions, chosen by rule: {RULE} "
        "The first are the worst.",
        [],
        [],
        [_sample(sample) for sample in samples],
    )


def _sample(sample: Mapping[str, Any]) -> Sample:
    published = [Column("Published", "", text) for text in sample["published"]]
    order = ("fine_tuned", "base", "nearest", "canned")
    return Sample(
        sample["question"],
        f"{sample['type'] or 'type not given'}, {sample['source'] or 'source not given'}",
        published[:1]
        + [
            Column(SYSTEMS[name], _scores(sample["answers"][name]), sample["answers"][name]["text"])
            for name in order
            if name in sample["answers"]
        ],
        len(published) - 1,
    )


def _scores(answer: Mapping[str, Any]) -> str:
    said = [f"ROUGE-L {answer['rouge_l']:.2f}"]
    if answer["repeated"]:
        said.append(f"{answer['repeated']:.0%} repeated")
    if answer["ended"] is False:
        said.append("cut at the limit")
    return ", ".join(said)


def _method(figures: Figures) -> Section:
    decoding = figures["decoding"]
    guard = decoding["no_repeat_ngram_size"]["fine_tuned"]
    vocabulary = (
        ""
        if figures["shared_vocabulary"]
        else " The models' vocabularies differ, so their perplexities cannot be compared."
    )
    return Section(
        "method",
        "How it was measured",
        f"Greedy answers of at most {decoding['max_new_tokens']} tokens, in {decoding['dtype']}, "
        + (f"in which the model says no sequence of {guard} tokens twice. " if guard else ". ")
        + "A question with several published answers counts with the nearest, for each metric. "
        f"Intervals are the {CONFIDENCE:.0%} percentile bootstrap over topic groups, "
        f"{RESAMPLES:,} times, as questions on one topic are no independent evidence; "
        "differences are paired." + vocabulary,
        [],
        [
            Table(
                "metrics",
                "The metrics",
                pd.DataFrame(
                    [(metric.title, metric.says) for metric in TITLES.values()],
                    columns=["Metric", "What it is"],
                ),
            )
        ],
    )
