"""General English → the demo base: a small GPT-2 and its tokenizer, pre-trained from nothing."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from transformers import GPT2Config, GPT2LMHeadModel, PreTrainedTokenizerBase

from training.errors import TrainingError
from training.provenance import provenance
from training.recipe import Pretraining, Recipe
from training.report.learning_curves import CURVES, curves_png
from training.report.model_card import base_card
from training.trainer.checkpoints import newest_checkpoint
from training.trainer.corpus import Blocks, documents, token_ids, train_tokenizer
from training.trainer.malloc import keep_freed_memory
from training.trainer.muon import optimizers
from training.trainer.saving import check_replaceable, save_model
from training.trainer.trainer_arguments import training_arguments
from training.trainer.trainers import FiniteTrainer

_CHECKPOINT_STEPS = 250


def pretrain(
    recipe: Recipe, corpus: Path, sources: Sequence[dict[str, Any]], out: Path, work: Path
) -> dict[str, float]:
    """Pre-train the recipe's base on `corpus` and save it to `out`; return its figures.

    `sources` are the corpus's repositories with their commits, for the card. `work` keeps
    checkpoints: an interrupted run goes on from the last one.

    Raises:
        TrainingError: the recipe has no pre-training section.
        DataError: the corpus is damaged or too small.

    """
    plan = recipe.pretraining
    if plan is None:
        raise TrainingError(f"recipe {recipe.name} has no pretraining section")
    check_replaceable(out)
    keep_freed_memory()
    torch.set_flush_denormal(True)  # numbers too small to matter would slow a CPU down
    texts = documents(corpus)
    origin = provenance(corpus)  # now: the code may change before the run ends
    tokenizer = train_tokenizer(iter(texts), plan.vocabulary_tokens, plan.context_tokens)
    held_out = plan.validation_blocks * plan.block_tokens
    ids = token_ids(texts, tokenizer, held_out + plan.blocks * plan.block_tokens)
    torch.manual_seed(recipe.seed)
    model = new_model(plan, tokenizer)
    train_set, valid_set = (
        Blocks(part, plan.block_tokens, plan.context_tokens, recipe.seed)
        for part in (ids[held_out:], ids[:held_out])
    )
    trainer = _trainer(plan, model, train_set, valid_set, work, recipe.seed)
    trainer.train(resume_from_checkpoint=newest_checkpoint(work))
    figures: dict[str, float] = trainer.evaluate()
    record = {
        "recipe": recipe.model_dump(),
        "parameters": model.num_parameters(),
        "heldout": figures,
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
            "README.md": base_card(out.resolve().name, record, sources),
            CURVES: curves_png(f"{out.name}, recipe {recipe.name}", trainer.state.log_history),
        },
    )
    return figures


def _trainer(
    plan: Pretraining,
    model: GPT2LMHeadModel,
    train_set: Blocks,
    valid_set: Blocks,
    work: Path,
    seed: int,
) -> FiniteTrainer:
    return FiniteTrainer(
        model=model,
        args=training_arguments(
            plan.optimisation,
            work,
            seed,
            num_train_epochs=1,
            logging_steps=25,
            save_steps=_CHECKPOINT_STEPS,
            save_total_limit=1,
            eval_strategy="steps",
            eval_steps=_CHECKPOINT_STEPS,
        ),
        train_dataset=train_set,
        eval_dataset=valid_set,
        optimizers=optimizers(model, plan.optimisation),
    )


def new_model(plan: Pretraining, tokenizer: PreTrainedTokenizerBase) -> GPT2LMHeadModel:
    """Return a randomly initialised GPT-2 of the recipe's shape.

    `gelu_pytorch_tanh` is the same function as GPT-2's `gelu_new`, in one fused kernel. Dropout
    is off: every block is seen once, so there is nothing to overfit.
    """
    config = GPT2Config(
        vocab_size=len(tokenizer),
        n_positions=plan.context_tokens,
        n_embd=plan.width,
        n_layer=plan.layers,
        n_head=plan.heads,
        activation_function="gelu_pytorch_tanh",
        resid_pdrop=0.0,
        embd_pdrop=0.0,
        attn_pdrop=0.0,
        bos_token_id=tokenizer.eos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=None,
    )
    return GPT2LMHeadModel(config)
