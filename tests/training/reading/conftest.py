"""A recipe of a few steps with a reading section."""

from typing import Any

from tests.training.test_finetune import recipe
from training.recipe import Reading, Recipe


def reading_recipe(rows: int = 8, epochs: float = 1, **changes: Any) -> Recipe:
    """Return one whose reading stage has so many rows, and an evaluation at each half of it."""
    optimisation = {
        "learning_rate": 1e-3,
        "warmup_steps": 1,
        "weight_decay": 0.0,
        "adam_beta2": 0.98,
        "max_gradient_norm": 1.0,
        "batch_sequences": changes.pop("batch_sequences", 2),
        "accumulation_steps": changes.pop("accumulation_steps", 1),
    }
    mixture = {
        "shares": {"without_passage": 0.25, "with_passage": 0.65, "none_found": 0.1},
        "passage_tokens": 40,
        "target_tokens": 40,
        "published_wording": 1.0,
        "lower_case": 0.0,
        "later_windows": 0.0,
        "other_genes": 0.0,
    }
    plan = {
        "rows": rows,
        "mixture": mixture | changes.pop("mixture", {}),
        "dropout": 0.0,
        "gradient_checkpointing": False,
        "evaluations": 2,
        "optimisation": optimisation,
    }
    reading = Reading.model_validate(plan | changes)
    return recipe(epochs).model_copy(update={"reading": reading})
