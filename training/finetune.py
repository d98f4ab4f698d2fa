"""`python -m training finetune`: a base GPT-2 learns to answer, and to stop.

The Trainer runs it: AdamW, labels that keep `<end>` in the loss, the best checkpoint by
validation loss. Ctrl-C leaves a checkpoint, `--resume` goes on from the last one.
"""

import argparse
import json
import math
import platform
import shutil
import signal
from importlib.metadata import version
from pathlib import Path
from types import FrameType
from typing import Any

import torch
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    DataCollatorForSeq2Seq,
    EarlyStoppingCallback,
    PreTrainedModel,
    PreTrainedTokenizerBase,
    Trainer,
    TrainerCallback,
    TrainerControl,
    TrainerState,
    TrainingArguments,
    set_seed,
)
from transformers.trainer_utils import get_last_checkpoint

from training import recipe as recipes
from training.arguments import training_arguments
from training.errors import TrainingError
from training.examples import IGNORED, examples, read_pairs
from training.prompt import add_format
from training.recipe import Recipe
from training.saving import save_model

_FLAGS = {
    "epochs": float,
    "learning_rate": float,
    "batch_sequences": int,
    "max_tokens": int,
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    parser.add_argument("--recipe", default="full", help="seed, full, demo, or a YAML file")
    parser.add_argument("--data", type=Path, default=Path("data"), help="what `prepare` wrote")
    parser.add_argument("--base", default="openai-community/gpt2", help="hub id or directory")
    parser.add_argument("--base-revision", help="commit, tag or branch of a base on the hub")
    parser.add_argument("--out", type=Path, default=Path("models/gpt2-medquad"))
    parser.add_argument("--resume", action="store_true", help="go on from the last checkpoint")
    for flag, kind in _FLAGS.items():
        parser.add_argument(f"--{flag.replace('_', '-')}", type=kind, help="instead of the recipe's")


def run(arguments: argparse.Namespace) -> int:
    """Run the command."""
    overrides = {
        f"finetuning.{'' if flag in ('epochs', 'max_tokens') else 'optimisation.'}{flag}": value
        for flag in _FLAGS
        if (value := getattr(arguments, flag)) is not None
    }
    finetune(
        recipes.load(arguments.recipe, overrides),
        arguments.data,
        arguments.base,
        arguments.out,
        base_revision=arguments.base_revision,
        resume=arguments.resume,
    )
    return 0


def finetune(
    recipe: Recipe,
    data: Path,
    base: str,
    out: Path,
    *,
    base_revision: str | None = None,
    resume: bool = False,
) -> None:
    """Fine-tune `base` on the pairs in `data` and save model, tokenizer and record to `out`.

    Raises:
        TrainingError: the base or the data cannot be used, or the loss is no longer a number.
        KeyboardInterrupt: stopped by Ctrl-C; a checkpoint was left for `resume`.
    """
    plan = recipe.finetuning
    set_seed(recipe.seed)
    model, tokenizer = load_base(base, base_revision, plan.dropout)
    context_tokens = int(model.config.max_position_embeddings)
    column, train, valid = (
        ("SeedRow", "train", "valid") if plan.rows == "seed" else ("Split", "train", "valid_unseen")
    )
    train_set, valid_set = (
        examples(read_pairs(data, column, value), tokenizer, plan, context_tokens)
        for value in (train, valid)
    )
    work = out.with_name(f".{out.name}-checkpoints")
    if not resume:
        shutil.rmtree(work, ignore_errors=True)
    interruption = Interruption()
    trainer = _trainer(recipe, model, tokenizer, train_set, valid_set, work, interruption)
    with interruption:
        trainer.train(resume_from_checkpoint=_last_checkpoint(work) if resume else None)
    if interruption.came:
        raise KeyboardInterrupt(f"stopped; --resume goes on from {_last_checkpoint(work)}")
    model.config.bos_token_id = tokenizer.bos_token_id
    record = {
        "recipe": recipe.model_dump(),
        "base": base,
        "base_revision": base_revision,
        "examples": {"train": len(train_set), "valid": len(valid_set)},
        "device": str(model.device),
        "versions": {"python": platform.python_version()}
        | {name: version(name) for name in ("torch", "transformers", "accelerate", "pandas")},
        "log": trainer.state.log_history,
    }
    save_model(
        model,
        tokenizer,
        out,
        getattr(torch, recipe.saved_dtype),
        {"training.json": json.dumps(record, indent=1) + "\n"},
    )
    shutil.rmtree(work, ignore_errors=True)


def load_base(
    base: str, revision: str | None, dropout: float
) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """Load a base model in float32, with the prompt format's tokens added.

    The new embedding rows start at the mean of the old ones: a random row would first have to
    be unlearned.

    Raises:
        TrainingError: there is no such base, or its tokenizer belongs to another model.
    """
    try:
        tokenizer: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(base, revision=revision)
        model: PreTrainedModel = AutoModelForCausalLM.from_pretrained(
            base,
            revision=revision,
            dtype=torch.float32,
            use_safetensors=True,
            resid_pdrop=dropout,
            embd_pdrop=dropout,
            attn_pdrop=dropout,
        )
    except (OSError, ValueError) as error:
        raise TrainingError(f"base {base}: {str(error).splitlines()[0]}") from error
    embeddings: Any = model.get_input_embeddings()
    old_rows = embeddings.weight.shape[0]
    if len(tokenizer) > old_rows:
        raise TrainingError(
            f"base {base}: its tokenizer has {len(tokenizer)} tokens, its model {old_rows}"
        )
    add_format(tokenizer)
    if len(tokenizer) > old_rows:
        model.resize_token_embeddings(len(tokenizer), mean_resizing=False)
        resized: Any = model.get_input_embeddings()
        with torch.no_grad():
            resized.weight[old_rows:] = resized.weight[:old_rows].mean(dim=0)
    for config in (model.config, model.generation_config):
        config.eos_token_id = tokenizer.eos_token_id
        config.pad_token_id = tokenizer.pad_token_id
    return model, tokenizer


def _trainer(
    recipe: Recipe,
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    train_set: list[dict[str, list[int]]],
    valid_set: list[dict[str, list[int]]],
    work: Path,
    interruption: "Interruption",
) -> Trainer:
    plan = recipe.finetuning
    sequences_per_step = plan.optimisation.batch_sequences * plan.optimisation.accumulation_steps
    steps_per_epoch = math.ceil(len(train_set) / sequences_per_step)
    evaluation_steps = max(1, round(steps_per_epoch * plan.epochs_between_evaluations))
    callbacks: list[TrainerCallback] = [interruption, NumbersOnly()]
    if plan.patience_evaluations:
        callbacks.append(EarlyStoppingCallback(plan.patience_evaluations))
    return Trainer(
        model=model,
        args=training_arguments(
            plan.optimisation,
            work,
            recipe.seed,
            num_train_epochs=plan.epochs,
            gradient_checkpointing=plan.gradient_checkpointing,
            train_sampling_strategy="group_by_length" if plan.group_by_length else "random",
            logging_steps=max(1, evaluation_steps // 10),
            eval_strategy="steps",
            eval_steps=evaluation_steps,
            save_steps=evaluation_steps,
            save_total_limit=1,
            load_best_model_at_end=True,
            metric_for_best_model="eval_loss",
            greater_is_better=False,
        ),
        train_dataset=train_set,  # type: ignore[arg-type]
        eval_dataset=valid_set,  # type: ignore[arg-type]
        # Pads by length, never by token: `<end>` keeps its label.
        data_collator=DataCollatorForSeq2Seq(tokenizer, label_pad_token_id=IGNORED),
        callbacks=callbacks,
    )


def _last_checkpoint(work: Path) -> str:
    """Return the newest checkpoint in `work`.

    Raises:
        TrainingError: there is none to resume from.
    """
    last = get_last_checkpoint(str(work)) if work.is_dir() else None  # type: ignore[no-untyped-call]
    if last is None:
        raise TrainingError(f"nothing to resume: no checkpoint in {work}")
    return str(last)


class Interruption(TrainerCallback):
    """Turns Ctrl-C into a checkpoint at the end of the running step; a second one stops at once."""

    def __init__(self) -> None:
        self.came = False
        self._before: Any = None

    def __enter__(self) -> None:
        self._before = signal.signal(signal.SIGINT, self._note)

    def __exit__(self, *_: object) -> None:
        signal.signal(signal.SIGINT, self._before)

    def _note(self, _: int, __: FrameType | None) -> None:
        if self.came:
            raise KeyboardInterrupt
        self.came = True

    def on_step_end(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        **_: Any,
    ) -> None:
        """Save and stop, if Ctrl-C came during the step."""
        del args, state
        if self.came:
            control.should_save = True
            control.should_training_stop = True


class NumbersOnly(TrainerCallback):
    """Stops a run whose loss is no longer a number: nothing after that step can be used."""

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: dict[str, Any] | None = None,
        **_: Any,
    ) -> None:
        """Check what was just logged."""
        del args, control
        for name, value in (logs or {}).items():
            if name.endswith("loss") and not math.isfinite(float(value)):
                raise TrainingError(f"step {state.global_step}: {name} is {value}; lower the rate")
