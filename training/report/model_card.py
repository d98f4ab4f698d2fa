"""A model directory's card: what it is, where its data came from, its figures, what it is not for.

Every model directory carries one from the moment it is saved; an evaluation adds the figures.
The header is what the Hugging Face Hub reads.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from huggingface_hub import EvalResult, ModelCardData

from training.data.download import COMMIT
from training.evaluation.metrics import METRICS, TITLES
from training.pretrained import FAMILIES
from training.report.limits import LIMITS, NOT_FOR
from training.report.tables import (
    SPLITS,
    differences_table,
    markdown,
    splits_table,
    systems_table,
    with_interval,
)
from training.report.templates import fill

_LICENCE = "cc-by-4.0"
_SYSTEMS = ("base", "fine_tuned", "unguarded", "nearest", "canned")
_METRICS = (
    "bits_per_byte",
    "perplexity",
    "rouge_l",
    "bleu",
    "token_f1",
    "end_rate",
    "repeating",
    "copied",
)
_BY_SPLIT = ("bits_per_byte", "rouge_l", "end_rate", "repeating")
_ROWS = {"train": "`train` split", "notebook": "original notebook's 400"}
_ROWS["seed"] = _ROWS["notebook"]  # as records of earlier versions say
# The names under which the Hub knows them.
_HUB_METRICS = {"perplexity": "perplexity", "rouge_l": "rouge", "bleu": "bleu", "token_f1": "f1"}

_HUB_ID = re.compile(r"\w[^/]*/[^/]+")

Record = Mapping[str, Any]


def fine_tuned_card(name: str, record: Record, figures: Record | None = None) -> str:
    """Return a fine-tuned model's card.

    Args:
        name: the model's.
        record: its `training.json`; empty where there is none.
        figures: what `evaluate` returned; None before.
    """
    base = record.get("base", "a base model")
    plan = record.get("recipe", {}).get("finetuning", {})
    return fill(
        "fine_tuned_card.md.jinja",
        header=_header(name, base, record, figures),
        name=name,
        family=FAMILIES[_family(record)],
        parameters=_parameters(record),
        base=f"`{base}`" if "base" in record else base,
        not_for=NOT_FOR,
        limits=LIMITS,
        commit=COMMIT,
        examples=record.get("examples"),
        rows=_ROWS.get(plan.get("rows", ""), "rows"),
        split=_figures(figures) if figures else None,
        guard=(
            figures["decoding"]["no_repeat_ngram_size"]["fine_tuned"]
            if figures
            else plan.get("no_repeat_ngram_size")
        ),
        **_training(record),
    )


def base_card(
    name: str, record: Record, sources: Sequence[Record], figures: Record | None = None
) -> str:
    """Return the card of a base that `pretrain` made.

    Args:
        name: the model's.
        record: its `training.json`.
        sources: its corpus's repositories with their commits.
        figures: what `evaluate` returned of the model that was fine-tuned from it; None before.
    """
    first = next(iter(figures["splits"])) if figures else ""
    bits = figures["splits"][first]["systems"]["base"]["bits_per_byte"] if figures else None
    return fill(
        "base_card.md.jinja",
        header=_data(name, ["gpt2"]).to_yaml(),
        name=name,
        parameters=_parameters(record),
        plan=record["recipe"]["pretraining"],
        not_for=NOT_FOR,
        sources=sources,
        heldout=record["heldout"],
        split=first,
        bits_per_byte=with_interval(METRICS["bits_per_byte"], bits) if bits else None,
        **_training(record),
    )


def _family(record: Record) -> str:
    family: str = record.get("family", "gpt2")  # as older ones were, and did not say
    return family


def _parameters(record: Record) -> str:
    return f"{record['parameters'] / 1e6:.1f}M " if "parameters" in record else ""


def _training(record: Record) -> dict[str, Any]:
    versions = ", ".join(f"{name} {found}" for name, found in record.get("versions", {}).items())
    return {
        "recipe": record.get("recipe", {}).get("name"),
        "versions": versions,
        "revision": record.get("revision"),
        "data": record.get("data"),
    }


def _figures(figures: Record) -> dict[str, Any]:
    name, split = next(iter(figures["splits"].items()))
    splits = figures["splits"]
    return {
        "title": f"`{name}` ({SPLITS[name].lower()})",
        "questions": split["questions"],
        "groups": split["groups"],
        "rows": split["rows"],
        "base_answers": split["systems"]["base"]["answers"],
        "unguarded": "unguarded" in split["systems"],
        "table": markdown(systems_table(split, _SYSTEMS, _METRICS)),
        "differences": markdown(differences_table(split)),
        "more": markdown(splits_table(splits, "fine_tuned", _BY_SPLIT)) if splits else "",
        "trained_share": f"{splits['random']['trained_share']:.1%}" if "random" in splits else "",
    }


def _header(name: str, base: str, record: Record, figures: Record | None) -> str:
    found = [] if figures is None else figures["splits"].items()
    results = [
        EvalResult(
            task_type="text-generation",
            task_name="Medical question answering",
            dataset_type="medquad",
            dataset_name="MedQuAD, cleaned and split by topic",
            dataset_split=split,
            dataset_revision=COMMIT,
            metric_type=_HUB_METRICS.get(metric, metric),
            metric_name=TITLES[metric].title,
            metric_value=round(value, 4),
        )
        for split, measured in found
        for metric in _METRICS
        if (value := measured["systems"]["fine_tuned"].get(metric, {}).get("value")) is not None
    ]
    return _data(
        name,
        base_model=base if _HUB_ID.fullmatch(base) else None,
        eval_results=results or None,
        tags=[_family(record), "medical", "question-answering"],
    ).to_yaml()


def _data(name: str, tags: Sequence[str], **more: Any) -> ModelCardData:
    return ModelCardData(
        language="en",
        license=_LICENCE,
        library_name="transformers",
        pipeline_tag="text-generation",
        tags=list(tags),
        model_name=name,
        **more,
    )
