"""`python -m training finetune`: a base GPT-2 learns to answer, and to stop.

The Trainer runs it: AdamW, labels that keep `<end>` in the loss, the best checkpoint by
validation loss. Ctrl-C leaves a checkpoint, `--resume` goes on from the last one.
"""

import argparse
import json
import math
import shutil
from pathlib import Path
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
    TrainingArguments,
    set_seed,
)
from transformers.trainer_utils import get_last_checkpoint

from training import recipe as recipes
from training.arguments import training_arguments
from training.card import fine_tuned_card
from training.errors import TrainingError
from training.examples import IGNORED, examples, read_pairs
from training.finite import FiniteTrainer
from training.interruption import Interruption
from training.muon import optimizers
from training.prompt import add_format
from training.provenance import base_name, provenance
from training.recipe import Recipe
from training.saving import check_replaceable, save_model

_FLAGS = {
    "epochs": float,
    "learning_rate": float,
    "batch_sequences": int,
    "max_tokens": int,
}

# Renamed on the way from transformers 5.17 to 5.23, where the old name warns.
_CHECKPOINTING = next(
    name
    for name in ("activation_checkpointing", "gradient_checkpointing")
    if name in TrainingArguments.__dataclass_fields__
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    parser.add_argument("--recipe", default="full", help="seed, full, demo, or a YAML file")
    parser.add_argument("--data", type=Path, default=Path("data"), help="what `prepare` wrote")
    parser.add_argument("--base", default="openai-community/gpt2", help="hub id or directory")
    parser.add_argument("--base-revision", help="commit, tag or branch of a base on the hub")
    parser.add_argument("--out", type=Path, default=Path("models/gpt2-medquad"))
    parser.add_argument("--resume", action="store_true", help="go on from the last checkpoint")
    for flag, kind in _FLAGS.items():
        parser.add_argument(
            f"--{flag.replace('_', '-')}", type=kind, help="instead of the recipe's"
        )


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
        TrainingError: the base, the data or `out` cannot be used, or the loss is no longer a
            number.
        KeyboardInterrupt: stopped by Ctrl-C; a checkpoint was left for `resume`.

    """
    plan = recipe.finetuning
    check_replaceable(out)
    torch.set_flush_denormal(True)  # numbers too small to matter would slow a CPU down
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
    origin = provenance(data / "medquad.csv")  # now: both may change before the run ends
    work = checkpoints_of(out)
    if not resume:
        shutil.rmtree(work, ignore_errors=True)
    interruption = Interruption()
    trainer = _trainer(recipe, model, tokenizer, train_set, valid_set, work, interruption)
    with interruption:
        trainer.train(resume_from_checkpoint=_last_checkpoint(work) if resume else None)
    if interruption.came:
        raise KeyboardInterrupt(f"stopped; --resume goes on from {_last_checkpoint(work)}")
    model.config.bos_token_id = tokenizer.bos_token_id
    model.generation_config.no_repeat_ngram_size = plan.no_repeat_ngram_size or None
    record = {
        "recipe": recipe.model_dump(),
        "base": base_name(base),
        "base_revision": base_revision,
        "parameters": model.num_parameters(),
        "examples": {"train": len(train_set), "valid": len(valid_set)},
        "device": str(model.device),
        **origin,
        "log": trainer.state.log_history,
    }
    save_model(
        model,
        tokenizer,
        out,
        getattr(torch, recipe.saved_dtype),
        {
            "training.json": json.dumps(record, indent=1) + "\n",
            "README.md": fine_tuned_card(out.resolve().name, record),
        },
    )
    shutil.rmtree(work, ignore_errors=True)


def checkpoints_of(out: Path) -> Path:
    """Return where the checkpoints of a run that will save to `out` are kept."""
    return out.with_name(f".{out.name}-checkpoints")


def load_base(
    base: str, revision: str | None, dropout: float
) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """Load a base model in float32, with the prompt format's tokens added.

    The new embedding rows start at the mean of the old ones: a random row would first have to
    be unlearned.

    Raises:
        TrainingError: there is no such base, or it has no tokenizer or another model's.

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
    rows, old_tokens = embeddings.weight.shape[0], len(tokenizer)
    if not tokenizer.encode("What is asthma?", add_special_tokens=False):
        raise TrainingError(f"base {base}: it has no tokenizer, or one without a vocabulary")
    if old_tokens > rows:
        raise TrainingError(
            f"base {base}: its tokenizer has {old_tokens} tokens, its model embeds {rows}"
        )
    add_format(tokenizer)
    if len(tokenizer) > rows:
        model.resize_token_embeddings(len(tokenizer), mean_resizing=False)
        embeddings = model.get_input_embeddings()
    with torch.no_grad():
        mean = embeddings.weight[:old_tokens].mean(dim=0)
        embeddings.weight[old_tokens : len(tokenizer)] = mean
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
    callbacks: list[TrainerCallback] = [interruption]
    if plan.patience_evaluations:
        callbacks.append(EarlyStoppingCallback(plan.patience_evaluations))
    return FiniteTrainer(
        model=model,
        args=training_arguments(
            plan.optimisation,
            work,
            recipe.seed,
            num_train_epochs=plan.epochs,
            train_sampling_strategy="group_by_length" if plan.group_by_length else "random",
            logging_steps=max(1, evaluation_steps // 10),
            eval_strategy="steps",
            eval_steps=evaluation_steps,
            save_steps=evaluation_steps,
            save_total_limit=2,  # with 1, Trainer ends by deleting all but the best
            load_best_model_at_end=True,
            metric_for_best_model="eval_loss",
            greater_is_better=False,
            **{_CHECKPOINTING: plan.gradient_checkpointing},
        ),
        train_dataset=train_set,
        eval_dataset=valid_set,
        processing_class=tokenizer,  # so that a checkpoint is a whole model directory
        # Pads by length, never by token: `<end>` keeps its label.
        data_collator=DataCollatorForSeq2Seq(tokenizer, label_pad_token_id=IGNORED),
        callbacks=callbacks,
        optimizers=optimizers(model, plan.optimisation),
    )


def has_checkpoint(work: Path) -> bool:
    """Return whether a run that kept its checkpoints in `work` left one to resume from."""
    return work.is_dir() and get_last_checkpoint(str(work)) is not None


def _last_checkpoint(work: Path) -> str:
    """Return the newest checkpoint in `work`.

    Raises:
        TrainingError: there is none to resume from.

    """
    if not has_checkpoint(work):
        raise TrainingError(f"nothing to resume: no checkpoint in {work}")
    return str(get_last_checkpoint(str(work)))
