"""`python -m training finetune`: a base model learns to answer, to stop, and then to read.

The reading stage (`training.reading`) follows where the recipe has one.
The Trainer runs it: AdamW, labels that keep `<end>` in the loss, the best checkpoint by
validation loss. Ctrl-C leaves a checkpoint, `--resume` goes on from the last one. Under
`accelerate launch` it runs as several processes; the first one alone writes.
"""

import argparse
import math
import shutil
from pathlib import Path

import torch
from transformers import (
    DataCollatorForSeq2Seq,
    EarlyStoppingCallback,
    PreTrainedModel,
    PreTrainedTokenizerBase,
    Trainer,
    TrainerCallback,
    set_seed,
)
from transformers.integrations.integration_utils import TensorBoardCallback

from training import recipe as recipes
from training.data.examples import IGNORED, examples, read_pairs
from training.prompt import marker_ids
from training.provenance import base_name, provenance
from training.reading.stage import is_reading, learn_to_read, reading_checkpoints_of
from training.recipe import Finetuning, Recipe
from training.trainer import distributed
from training.trainer.base_model import load_base
from training.trainer.checkpoints import begin, checkpoints_of, resumed
from training.trainer.distributed import check_shardable, sequences_per_step, whole_model
from training.trainer.fine_tuned import save_fine_tuned
from training.trainer.lora import add_lora, merged
from training.trainer.muon import optimizers
from training.trainer.saving import check_replaceable
from training.trainer.trainer_arguments import CHECKPOINTING, training_arguments
from training.trainer.trainers import FiniteTrainer, LengthGroupedTrainer
from training.trainer.training_run import run_to_the_end
from training.trainer.training_text import training_text

_FLAGS = {
    "epochs": float,
    "learning_rate": float,
    "batch_sequences": int,
    "max_tokens": int,
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    parser.add_argument(
        "--recipe", default="full", help="notebook, full, lora, demo, or a YAML file"
    )
    parser.add_argument("--data", type=Path, default=Path("data"), help="what `prepare` wrote")
    parser.add_argument("--base", default="openai-community/gpt2", help="hub id or directory")
    parser.add_argument("--base-revision", help="commit, tag or branch of a base on the hub")
    parser.add_argument("--out", type=Path, default=Path("models/gpt2-medquad"))
    parser.add_argument("--resume", action="store_true", help="go on from the last checkpoint")
    parser.add_argument("--tensorboard", type=Path, help="directory to write TensorBoard events to")
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
    recipe, out = recipes.load(arguments.recipe, overrides), arguments.out
    reads_already = arguments.resume and is_reading(out)
    if not reads_already:
        finetune(
            recipe,
            arguments.data,
            arguments.base,
            out,
            base_revision=arguments.base_revision,
            resume=arguments.resume,
            tensorboard=arguments.tensorboard,
        )
    if recipe.reading:
        learn_to_read(recipe, arguments.data, out, resume=reads_already)
    return 0


def finetune(
    recipe: Recipe,
    data: Path,
    base: str,
    out: Path,
    *,
    base_revision: str | None = None,
    resume: bool = False,
    tensorboard: Path | None = None,
) -> None:
    """Fine-tune `base` on the pairs in `data` and save model, tokenizer and record to `out`.

    Raises:
        TrainingError: the base, the data or `out` cannot be used, a checkpoint cannot be
            written, or the loss is no longer a number.
        KeyboardInterrupt: stopped by Ctrl-C; a checkpoint was left for `resume`.

    """
    plan = recipe.finetuning
    check_replaceable(out)
    check_shardable(plan)
    place = distributed.join()
    torch.set_flush_denormal(True)  # numbers too small to matter would slow a CPU down
    set_seed(recipe.seed)
    model, tokenizer = load_base(base, base_revision, plan.dropout)
    context_tokens = int(model.config.max_position_embeddings)
    train_set, valid_set = _sets(plan, data, tokenizer, context_tokens)
    origin = provenance(data / "medquad.csv")  # now: both may change before the run ends
    work = checkpoints_of(out)
    begun = {"recipe": recipe.model_dump(), "base": base_name(base, out)}
    last = resumed(work, begun) if resume else None
    if place.is_main_process and not resume:
        begin(work, begun)
        shutil.rmtree(reading_checkpoints_of(out), ignore_errors=True)  # of another model
    callbacks: list[TrainerCallback] = []
    if tensorboard and place.is_main_process:
        callbacks.append(_tensorboard(tensorboard))
    if plan.lora:
        model = add_lora(model, plan.lora, marker_ids(tokenizer))
    trainer = _trainer(recipe, model, tokenizer, train_set, valid_set, work, callbacks)
    run_to_the_end(trainer, last)
    model = whole_model(trainer, model, work)
    if place.is_main_process:
        record = {
            "recipe": recipe.model_dump(),
            "base": base_name(base, out),
            "base_revision": base_revision,
            "family": model.config.model_type,
            "parameters": model.num_parameters(),
            "examples": {"train": len(train_set), "valid": len(valid_set)},
            "device": str(model.device),
            "processes": place.num_processes,
            **origin,
            "log": trainer.state.log_history,
        }
        index = training_text(data, plan.rows, tokenizer)
        model = merged(model) if plan.lora else model
        model.config.bos_token_id = tokenizer.bos_token_id
        model.generation_config.no_repeat_ngram_size = plan.no_repeat_ngram_size or None
        save_fine_tuned(recipe, model, tokenizer, out, record, record["log"], index)
        shutil.rmtree(work, ignore_errors=True)
    place.wait_for_everyone()


def _sets(
    plan: Finetuning, data: Path, tokenizer: PreTrainedTokenizerBase, context_tokens: int
) -> list[list[dict[str, list[int]]]]:
    """Return what is learned from, and what it is validated with."""
    column, names = "Split", ("train", "valid_unseen")
    if plan.rows == "notebook":
        column, names = "SeedRow", ("train", "valid")
    return [
        examples(read_pairs(data, column, name), tokenizer, plan, context_tokens) for name in names
    ]


def _trainer(
    recipe: Recipe,
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    train_set: list[dict[str, list[int]]],
    valid_set: list[dict[str, list[int]]],
    work: Path,
    callbacks: list[TrainerCallback],
) -> Trainer:
    plan = recipe.finetuning
    steps_per_epoch = math.ceil(len(train_set) / sequences_per_step(plan.optimisation))
    evaluation_steps = max(1, round(steps_per_epoch * plan.epochs_between_evaluations))
    if plan.patience_evaluations:
        callbacks.append(EarlyStoppingCallback(plan.patience_evaluations))
    kind = LengthGroupedTrainer if plan.group_by_length else FiniteTrainer
    return kind(
        model=model,
        args=training_arguments(
            plan.optimisation,
            work,
            recipe.seed,
            num_train_epochs=plan.epochs,
            logging_steps=max(1, evaluation_steps // 10),
            eval_strategy="steps",
            eval_steps=evaluation_steps,
            save_steps=evaluation_steps,
            save_total_limit=2,  # with 1, Trainer ends by deleting all but the best
            load_best_model_at_end=True,
            metric_for_best_model="eval_loss",
            greater_is_better=False,
            **{CHECKPOINTING: plan.gradient_checkpointing},
        ),
        train_dataset=train_set,
        eval_dataset=valid_set,
        processing_class=tokenizer,  # so that a checkpoint is a whole model directory
        # Pads by length, never by token: `<end>` keeps its label.
        data_collator=DataCollatorForSeq2Seq(tokenizer, label_pad_token_id=IGNORED),
        callbacks=callbacks,
        optimizers=optimizers(model, plan.optimisation),
    )


def _tensorboard(directory: Path) -> TensorBoardCallback:
    from tensorboardX import SummaryWriter

    return TensorBoardCallback(SummaryWriter(str(directory)))
