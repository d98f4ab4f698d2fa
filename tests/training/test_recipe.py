"""Recipes load, say what they mean, and refuse what makes no sense by naming it."""

from pathlib import Path

import pytest

from training.errors import TrainingError
from training.recipe import load


@pytest.mark.parametrize("name", ["notebook", "full", "demo", "lora"])
def test_recipes_load(name: str) -> None:
    assert load(name).name == name


def test_the_notebook_recipe_is_the_protocol_asked_for() -> None:
    plan = load("notebook").finetuning
    assert (plan.rows, plan.epochs, plan.gradient_checkpointing) == ("notebook", 100, True)


def test_flags_override() -> None:
    recipe = load("full", {"finetuning.epochs": 2, "finetuning.optimisation.learning_rate": 1e-3})
    assert recipe.finetuning.epochs == 2
    assert recipe.finetuning.optimisation.learning_rate == 1e-3


@pytest.mark.parametrize(
    ("overrides", "named"),
    [
        ({"finetuning.epochs": -1}, "epochs"),
        ({"finetuning.epoch": 1}, "epoch"),
        ({"finetuning.too_long": "squeeze"}, "too_long"),
        ({"nowhere.at": 1}, "nowhere"),
    ],
)
def test_bad_fields_are_named(overrides: dict[str, object], named: str) -> None:
    with pytest.raises(TrainingError, match=named):
        load("full", overrides)


def test_unknown_recipes_are_answered_with_the_known_ones() -> None:
    with pytest.raises(TrainingError, match="there are demo, full, lora, notebook"):
        load("fast")


def test_a_recipe_of_ones_own(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("name: mine\nseed: [")
    with pytest.raises(TrainingError, match=r"mine\.yaml"):
        load(str(path))


def test_the_notebooks_former_name_is_taken() -> None:
    assert load("seed") == load("notebook")
    assert load("notebook", {"finetuning.rows": "seed"}) == load("notebook")
