"""A run's every number, read from a YAML file; flags may override single fields."""

from pathlib import Path
from typing import Any, Literal, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from training.errors import TrainingError

_RECIPES = Path(__file__).parent / "recipes"
_FORMER_NAMES = {"seed": "notebook"}


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Optimisation(_Section):
    """AdamW, or Muon beside it, and the schedule: linear warm-up, then a decay to zero."""

    learning_rate: float = Field(gt=0)
    muon_learning_rate: float | None = Field(
        None, gt=0, description="For the matrices inside the layers; none: AdamW for all."
    )
    schedule: Literal["cosine", "linear", "constant"] = "cosine"
    warmup_steps: int = Field(ge=0)
    weight_decay: float = Field(ge=0)
    adam_beta2: float = Field(gt=0, lt=1)
    max_gradient_norm: float = Field(gt=0)
    batch_sequences: int = Field(ge=1, description="Sequences in one forward pass.")
    accumulation_steps: int = Field(1, ge=1, description="Forward passes in one update.")
    compiled: bool = Field(
        False, description="torch.compile the model: faster after a minute; needs a C++ compiler."
    )


class Lora(_Section):
    """Low-rank matrices that learn beside the frozen base's; merged into it before saving."""

    rank: int = Field(ge=1)
    alpha: int = Field(ge=1, description="The update counts alpha / rank times.")
    dropout: float = Field(0.0, ge=0, lt=1)
    targets: tuple[str, ...] = Field(
        ("c_attn", "c_proj", "c_fc"), min_length=1, description="Layers by their last name."
    )


class Finetuning(_Section):
    """How a base model learns to answer.

    `too_long` says what becomes of a pair beyond `max_tokens`: `drop` leaves it out; `cut` ends
    its answer at the last sentence that fits and still closes with `<end>`, because an answer
    without its end teaches the model never to stop.
    """

    rows: Literal["notebook", "train"]
    no_repeat_ngram_size: int = Field(
        0,
        ge=0,
        description="Saved as the model's own default: no sequence of so many tokens comes twice "
        "in an answer, unless it stands in the question; 0 lets it repeat itself.",
    )
    epochs: float = Field(gt=0)
    max_tokens: int = Field(ge=8)
    too_long: Literal["cut", "drop"]
    loss: Literal["answer", "sequence"]
    dropout: float = Field(ge=0, lt=1)
    gradient_checkpointing: bool
    group_by_length: bool
    epochs_between_evaluations: float = Field(gt=0)
    patience_evaluations: int = Field(
        0, ge=0, description="Stop after this many evaluations without a better loss; 0 never."
    )
    lora: Lora | None = None
    optimisation: Optimisation

    @field_validator("rows", mode="before")
    @classmethod
    def _former_name(cls, rows: Any) -> Any:
        return _FORMER_NAMES.get(rows, rows) if isinstance(rows, str) else rows

    @model_validator(mode="after")
    def _lora_goes_with_adamw(self) -> Self:
        if self.lora and self.optimisation.muon_learning_rate is not None:
            raise ValueError("lora needs AdamW: leave optimisation.muon_learning_rate out")
        return self


class Mixture(_Section):
    """Which questions, passages and answers a model learns to read from."""

    shares: dict[Literal["without_passage", "with_passage", "none_found"], float] = Field(
        min_length=1, description="Of the rows; they need not add up to one."
    )
    passage_tokens: int = Field(ge=16, description="Of the longest.")
    target_tokens: int = Field(ge=8, description="The answer is as many first sentences.")
    published_wording: float = Field(ge=0, le=1, description="Share of questions; others: lay.")
    lower_case: float = Field(ge=0, le=1, description="Share of the lay questions.")
    later_windows: float = Field(ge=0, le=1, description="Passages that begin further on.")
    other_genes: float = Field(ge=0, le=1, description="Share of texts whose genes are exchanged.")
    fact_weight: float = Field(1.0, ge=1, description="Of GHR's genes and inheritance.")


class Reading(_Section):
    """How a fine-tuned model learns to read published passages before it answers."""

    rows: int = Field(ge=1, description="Drawn from the training rows, and seen once each.")
    mixture: Mixture
    dropout: float = Field(ge=0, lt=1)
    gradient_checkpointing: bool
    evaluations: int = Field(ge=1, description="And checkpoints, at even distances.")
    optimisation: Optimisation


class Pretraining(_Section):
    """How the demo base is made: tokenizer, shape and general English."""

    vocabulary_tokens: int = Field(ge=512)
    context_tokens: int = Field(ge=16)
    layers: int = Field(ge=1)
    heads: int = Field(ge=1)
    width: int = Field(ge=8)
    block_tokens: int = Field(ge=8)
    blocks: int = Field(ge=1, description="Training blocks, in the corpus's order, once each.")
    validation_blocks: int = Field(ge=1)
    optimisation: Optimisation


class Recipe(_Section):
    """A whole run."""

    name: str
    seed: int
    saved_dtype: Literal["float32", "bfloat16"] = "float32"
    finetuning: Finetuning
    reading: Reading | None = Field(None, description="After fine-tuning; none: never reads.")
    pretraining: Pretraining | None = None


def load(name_or_path: str, overrides: dict[str, Any] | None = None) -> Recipe:
    """Read a recipe by name (`notebook`, `full`, `demo`) or path.

    `overrides` maps dotted fields (`finetuning.epochs`) to values.

    Raises:
        TrainingError: no such recipe, or a field is unknown or out of range; names the field.

    """
    path = Path(name_or_path)
    if not path.suffix:
        path = _RECIPES / f"{_FORMER_NAMES.get(name_or_path, name_or_path)}.yaml"
    if not path.is_file():
        known = ", ".join(sorted(found.stem for found in _RECIPES.glob("*.yaml")))
        raise TrainingError(f"no recipe {name_or_path!r}; there are {known}, or give a YAML file")
    try:
        fields = yaml.safe_load(path.read_text(encoding="utf-8"))
        for dotted, value in (overrides or {}).items():
            *parents, last = dotted.split(".")
            section = fields
            for parent in parents:
                section = section[parent]
            section[last] = value
        return Recipe.model_validate(fields)
    except ValidationError as error:
        faults = (f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors())
        raise TrainingError(f"recipe {path.name}: {'; '.join(faults)}") from error
    except (ValueError, OSError, yaml.YAMLError, TypeError, KeyError) as error:
        raise TrainingError(f"recipe {path.name}: {' '.join(str(error).split())}") from error
