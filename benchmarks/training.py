"""The Trainer run against a bare PyTorch loop: same model, batches, optimizer and number format.

Made-up pairs with MedQuAD's spread of lengths, a recipe's own settings. Both sides take turns,
because a machine's speed drifts. A second table says whether the updates of a long run slow down.
"""

import argparse
import itertools
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch.utils.data import DataLoader
from transformers import (
    AutoTokenizer,
    DataCollatorForSeq2Seq,
    GPT2Config,
    GPT2LMHeadModel,
    PrinterCallback,
    TrainerCallback,
    get_scheduler,
)
from transformers.utils import logging

from training import recipe as recipes
from training.data.examples import IGNORED
from training.recipe import Finetuning
from training.trainer.muon import optimizers
from training.trainer.trainer_arguments import CHECKPOINTING, bfloat16_is_fast, training_arguments
from training.trainer.trainers import LengthGroupedTrainer, LengthGroups

_TOKENIZER = Path(__file__).parents[1] / "models" / "demo" / "fine-tuned"
_MEDIAN_TOKENS, _SPREAD = 160, 0.9  # of a log-normal: roughly MedQuAD's pairs
_PROMPT_TOKENS = 12
_WARM_UPDATES = 3
_SEED = 1

Examples = list[dict[str, list[int]]]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--recipe", default="full", help="whose fine-tuning settings to use")
    parser.add_argument("--layers", type=int, default=6)
    parser.add_argument("--width", type=int, default=320)
    parser.add_argument("--max-tokens", type=int, default=512)
    parser.add_argument("--updates", type=int, default=15, help="in a round, after three")
    parser.add_argument("--repeats", type=int, default=3, help="rounds of each side")
    parser.add_argument("--long-updates", type=int, default=500, help="second table; 0: none")


def run(arguments: argparse.Namespace) -> int:
    """Run the benchmark and print its tables."""
    logging.set_verbosity_error()
    torch.set_flush_denormal(True)
    plan = recipes.load(arguments.recipe).finetuning
    print(f"recipe {arguments.recipe}, {arguments.layers} layers, {arguments.width} wide")
    print("\n| | tokens/s | ÷ bare loop |\n| --- | --- | --- |")
    found: list[tuple[float, float]] = []
    for _ in range(arguments.repeats):
        updates = arguments.updates + _WARM_UPDATES
        pairs, tokens = _pairs(plan, updates, arguments.max_tokens)
        both = (side(plan, _model(plan, arguments), pairs) for side in (_bare_loop, _trainer))
        bare, ours = (_speed(ends, tokens, _WARM_UPDATES, updates) for ends in both)
        found.append((bare, ours))
        print(f"bare loop {bare:,.0f}, Trainer {ours:,.0f} tokens/s", file=sys.stderr, flush=True)
    bare, ours = (statistics.median(side) for side in zip(*found, strict=True))
    print(f"| bare loop | {bare:,.0f} | |\n| Trainer | {ours:,.0f} | {ours / bare:.3f} |")
    if arguments.long_updates:
        pairs, tokens = _pairs(plan, arguments.long_updates, arguments.max_tokens)
        ends = _trainer(plan, _model(plan, arguments), pairs)
        part = min(100, arguments.long_updates // 3)
        first = _speed(ends, tokens, _WARM_UPDATES, _WARM_UPDATES + part)
        last = _speed(ends, tokens, arguments.long_updates - part, arguments.long_updates)
        print("\n| Trainer's updates | tokens/s |\n| --- | --- |")
        print(f"| first {part} | {first:,.0f} |\n| last {part} of {len(tokens)} | {last:,.0f} |")
    return 0


def _pairs(plan: Finetuning, updates: int, max_tokens: int) -> tuple[Examples, list[int]]:
    """Return one epoch of so many updates, and the tokens of each, padding included."""
    count = updates * _sequences(plan)
    generator = torch.Generator().manual_seed(_SEED)
    scale = torch.randn(count, generator=generator).mul(_SPREAD).exp()
    lengths = (scale * _MEDIAN_TOKENS).long().clamp(2 * _PROMPT_TOKENS, max_tokens).tolist()
    pairs: Examples = []
    for length in lengths:
        ids = torch.randint(0, 8000, (length,), generator=generator).tolist()
        labels = [IGNORED] * _PROMPT_TOKENS + ids[_PROMPT_TOKENS:]
        pairs.append({"input_ids": ids, "labels": labels})
    batch = plan.optimisation.batch_sequences
    order = list(_order(plan, pairs))
    padded = [
        batch * max(lengths[index] for index in order[at : at + batch])
        for at in range(0, count, batch)
    ]
    accumulated = plan.optimisation.accumulation_steps
    return pairs, [sum(padded[at : at + accumulated]) for at in range(0, len(padded), accumulated)]


def _sequences(plan: Finetuning) -> int:
    return plan.optimisation.batch_sequences * plan.optimisation.accumulation_steps


def _order(plan: Finetuning, pairs: Examples) -> LengthGroups:
    return LengthGroups([len(pair["input_ids"]) for pair in pairs], _sequences(plan), _SEED)


def _model(plan: Finetuning, arguments: argparse.Namespace) -> GPT2LMHeadModel:
    torch.manual_seed(_SEED)
    tokenizer = AutoTokenizer.from_pretrained(_TOKENIZER)
    return GPT2LMHeadModel(
        GPT2Config(
            vocab_size=len(tokenizer),
            n_layer=arguments.layers,
            n_embd=arguments.width,
            n_head=max(1, arguments.width // 64),
            resid_pdrop=plan.dropout,
            embd_pdrop=plan.dropout,
            attn_pdrop=plan.dropout,
            bos_token_id=tokenizer.eos_token_id,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
        )
    )


def _collator() -> DataCollatorForSeq2Seq:
    tokenizer = AutoTokenizer.from_pretrained(_TOKENIZER)
    return DataCollatorForSeq2Seq(tokenizer, label_pad_token_id=IGNORED)


def _bare_loop(plan: Finetuning, model: Any, pairs: Examples) -> list[float]:
    """Train one epoch as a script would; return when each update ended."""
    settings = plan.optimisation
    device = torch.accelerator.current_accelerator() or torch.device("cpu")
    model.to(device).train()
    model.config.use_cache = False
    if plan.gradient_checkpointing:
        getattr(model, f"{CHECKPOINTING}_enable")({"use_reentrant": False})
    optimizer = optimizers(model, settings)[0] or torch.optim.AdamW(
        model.parameters(),
        lr=settings.learning_rate,
        betas=(0.9, settings.adam_beta2),
        weight_decay=settings.weight_decay,
        fused=True,
    )
    forward = torch.compile(model) if settings.compiled else model
    loader: DataLoader[Any] = DataLoader(
        pairs,  # type: ignore[arg-type] # a list is a dataset too
        batch_size=settings.batch_sequences,
        sampler=_order(plan, pairs),
        collate_fn=_collator(),
    )
    updates = len(pairs) // _sequences(plan)
    schedule = get_scheduler(settings.schedule, optimizer, settings.warmup_steps, updates)
    ends = [time.perf_counter()]
    remaining = iter(loader)
    while batches := list(itertools.islice(remaining, settings.accumulation_steps)):
        answer_tokens = sum(int((batch["labels"] != IGNORED).sum()) for batch in batches)
        for batch in batches:
            inputs = {name: tensor.to(device) for name, tensor in batch.items()}
            with torch.autocast(device.type, torch.bfloat16, enabled=bfloat16_is_fast()):
                loss = forward(**inputs, num_items_in_batch=answer_tokens).loss
            loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), settings.max_gradient_norm)
        optimizer.step()
        schedule.step()
        optimizer.zero_grad()
        ends.append(time.perf_counter())
    return ends


class _Ends(TrainerCallback):
    def __init__(self) -> None:
        self.times: list[float] = []

    def on_train_begin(self, *_: Any, **__: Any) -> None:
        self.times.append(time.perf_counter())

    def on_step_end(self, *_: Any, **__: Any) -> None:
        self.times.append(time.perf_counter())


def _trainer(plan: Finetuning, model: Any, pairs: Examples) -> list[float]:
    """Train one epoch as `python -m training finetune` does; return when each update ended."""
    ends = _Ends()
    with tempfile.TemporaryDirectory() as directory:
        arguments = training_arguments(
            plan.optimisation,
            Path(directory),
            _SEED,
            num_train_epochs=1,
            logging_steps=40,
            disable_tqdm=True,
            save_strategy="no",
            **{CHECKPOINTING: plan.gradient_checkpointing},
        )
        trainer = LengthGroupedTrainer(
            model=model,
            args=arguments,
            train_dataset=pairs,
            data_collator=_collator(),
            callbacks=[ends],
            optimizers=optimizers(model, plan.optimisation),
        )
        trainer.remove_callback(PrinterCallback)
        trainer.train()
    return ends.times


def _speed(ends: Sequence[float], tokens: Sequence[int], start: int, stop: int) -> float:
    """Return the tokens per second of the updates from `start` to `stop`."""
    return sum(tokens[start:stop]) / (ends[stop] - ends[start])
