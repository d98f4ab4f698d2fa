"""A fine-tuned model saved with what belongs beside it: record, card, curves, training answers.

Knows nothing about which stage trained it last.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from training.recipe import Recipe
from training.report.learning_curves import CURVES, curves_png
from training.report.model_card import fine_tuned_card
from training.trainer.saving import save_model
from training.trainer.training_text import FILE as TRAINING_TEXT


def save_fine_tuned(
    recipe: Recipe,
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    out: Path,
    record: Mapping[str, Any],
    log: Sequence[dict[str, Any]],
    index: bytes,
) -> None:
    """Replace the directory `out` by this model's.

    Args:
        recipe: how it was made.
        model: with its weights as they are to be served.
        tokenizer: its own, with the prompt's format.
        out: appears whole or not at all.
        record: what training.json is to hold.
        log: the Trainer's, of the stage that the curves are drawn of.
        index: the training answers, as `training_text` makes them.

    """
    save_model(
        model,
        tokenizer,
        out,
        getattr(torch, recipe.saved_dtype),
        {
            "training.json": json.dumps(record, indent=1) + "\n",
            TRAINING_TEXT: index,
            CURVES: curves_png(f"{out.name}, recipe {recipe.name}", log),
            "README.md": fine_tuned_card(out.resolve().name, record),
        },
    )
