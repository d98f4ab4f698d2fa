"""The stage after fine-tuning: the saved model goes on learning, now with passages to read.

It starts from the weights in `out` and replaces them. Stopped by Ctrl-C it leaves a checkpoint.
"""

import shutil
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from accelerate.utils import parse_flag_from_env
from transformers import DataCollatorForSeq2Seq, PreTrainedModel, PreTrainedTokenizerBase, set_seed

from training.data.examples import IGNORED, read_rows
from training.errors import DataError, TrainingError
from training.prompt import ANSWER, CONTEXT, QUESTION, add_context, encode, encode_text
from training.provenance import provenance
from training.reading.mixture import Drawing, published
from training.reading.trainer import ReadingTrainer
from training.recipe import Recipe
from training.report.publish import training_record
from training.trainer import distributed
from training.trainer.base_model import load_to_go_on
from training.trainer.checkpoints import begin, checkpoints_of, has_checkpoint, resumed
from training.trainer.distributed import sequences_per_step
from training.trainer.fine_tuned import save_fine_tuned
from training.trainer.muon import optimizers
from training.trainer.trainer_arguments import CHECKPOINTING, training_arguments
from training.trainer.training_run import run_to_the_end
from training.trainer.training_text import training_text

_VALIDATION_ROWS = 200
_MOST_TOO_LONG = 1_000  # in a row
_NEEDED = [
    "QuestionClean",
    "AnswerClean",
    "FocusFixed",
    "GroupId",
    "QuestionType",
    "Source",
    "Split",
]


def learn_to_read(recipe: Recipe, data: Path, out: Path, *, resume: bool = False) -> None:
    """Let the fine-tuned model in `out` learn to read, as the recipe says, and save it there.

    Raises:
        TrainingError: the recipe has no such stage, the model or the data cannot be used, or the
            loss is no longer a number.
        KeyboardInterrupt: stopped by Ctrl-C; a checkpoint was left for `resume`.

    """
    plan = recipe.reading
    if plan is None:
        raise TrainingError(f"recipe {recipe.name} has no reading section")
    if parse_flag_from_env("ACCELERATE_USE_FSDP"):  # as `accelerate launch` tells
        raise TrainingError("the reading stage does not go with FSDP: launch it with --multi_gpu")
    place = distributed.join()
    torch.set_flush_denormal(True)  # numbers too small to matter would slow a CPU down
    set_seed(recipe.seed)
    model, tokenizer = load_to_go_on(out, plan.dropout)
    with_context(model, tokenizer)
    context_tokens = int(model.config.max_position_embeddings)
    table = read_rows(data, _NEEDED)
    sets = [
        _examples(table[table["Split"] == split], recipe, rows, tokenizer, context_tokens)
        for split, rows in (("train", plan.rows), ("valid_unseen", _VALIDATION_ROWS))
    ]
    origin = provenance(data / "medquad.csv")  # now: both may change before the run ends
    work = reading_checkpoints_of(out)
    begun = {"recipe": recipe.model_dump()}
    last = resumed(work, begun) if resume else None
    if place.is_main_process and not resume:
        begin(work, begun)
    trainer = _trainer(recipe, model, tokenizer, sets, work)
    run_to_the_end(trainer, last)
    if place.is_main_process:
        reading = {"examples": dict(zip(("train", "valid"), map(len, sets), strict=True))}
        record = training_record(out) | {
            "recipe": recipe.model_dump(),
            "parameters": model.num_parameters(),
            "reading": reading | origin | {"log": trainer.state.log_history},
        }
        index = training_text(data, recipe.finetuning.rows, tokenizer)
        log = trainer.state.log_history
        save_fine_tuned(recipe, model, tokenizer, out, record, log, index)
        shutil.rmtree(work, ignore_errors=True)
    place.wait_for_everyone()


def reading_checkpoints_of(out: Path) -> Path:
    """Return where the checkpoints of this stage are kept."""
    return checkpoints_of(out.with_name(f"{out.name}-reading"))


def is_reading(out: Path) -> bool:
    """Return whether a run of this stage left a checkpoint to resume from."""
    return has_checkpoint(reading_checkpoints_of(out))


def has_learned_to_read(out: Path) -> bool:
    """Return whether the model in `out` has been through this stage."""
    return "reading" in training_record(out)


def with_context(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> None:
    """Give a fine-tuned model the marker of passages; it starts between the other two."""
    add_context(tokenizer)
    model.resize_token_embeddings(len(tokenizer), mean_resizing=False)
    ids: Any = tokenizer.convert_tokens_to_ids([CONTEXT, QUESTION, ANSWER])
    context, *others = ids
    with torch.no_grad():
        weight: Any = model.get_input_embeddings().weight
        weight[context] = weight[others].mean(dim=0)


def _examples(
    table: pd.DataFrame,
    recipe: Recipe,
    rows: int,
    tokenizer: PreTrainedTokenizerBase,
    context_tokens: int,
) -> list[dict[str, list[int]]]:
    """Draw readings as token ids and labels; what is longer than the context is left out."""
    assert recipe.reading is not None, "asked before"
    mixture = recipe.reading.mixture

    def length(text: str) -> int:
        return len(encode_text(text, tokenizer))

    drawing = Drawing(published(table), mixture, length, recipe.seed)
    limit = min(recipe.finetuning.max_tokens, context_tokens)
    found: list[dict[str, list[int]]] = []
    too_long = 0
    while len(found) < rows:
        for reading in drawing.draw(rows - len(found)):
            example = encode(reading.question, reading.answer, tokenizer, reading.passages)
            ids, prompt = example.ids, example.prompt_tokens
            too_long = 0 if len(ids) <= limit else too_long + 1
            if not too_long:
                found.append({"input_ids": ids, "labels": [IGNORED] * prompt + ids[prompt:]})
        if too_long > _MOST_TOO_LONG:
            raise DataError(f"no question fits with its passage and answer in {limit} tokens")
    return found


def _trainer(
    recipe: Recipe,
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    sets: list[list[dict[str, list[int]]]],
    work: Path,
) -> ReadingTrainer:
    plan = recipe.reading
    assert plan is not None, "asked before"
    train_set, valid_set = sets
    steps = max(1, len(train_set) // sequences_per_step(plan.optimisation) // plan.evaluations)
    if plan.optimisation.compiled:
        inner: Any = model.base_model
        inner.compile(dynamic=True)  # lengths vary: once for all of them
    return ReadingTrainer(
        model=model,
        args=training_arguments(
            plan.optimisation.model_copy(update={"compiled": False}),
            work,
            recipe.seed,
            num_train_epochs=1,
            logging_steps=max(1, steps // 10),
            eval_strategy="steps",
            eval_steps=steps,
            save_steps=steps,
            save_total_limit=2,
            prediction_loss_only=True,
            **{CHECKPOINTING: plan.gradient_checkpointing},
        ),
        train_dataset=train_set,
        eval_dataset=valid_set,
        processing_class=tokenizer,  # so that a checkpoint is a whole model directory
        data_collator=DataCollatorForSeq2Seq(tokenizer, label_pad_token_id=IGNORED),
        optimizers=optimizers(model, plan.optimisation),
    )
