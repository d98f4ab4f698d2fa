"""A recipe's optimisation as Trainer arguments, with the number format this device is fast in."""

import logging
import os
import shutil
from pathlib import Path
from typing import Any

import torch
from transformers import TrainingArguments

from training.recipe import Optimisation

logger = logging.getLogger(__name__)

# Renamed on the way from transformers 5.17 to 5.23, where the old name warns.
CHECKPOINTING = next(
    name
    for name in ("activation_checkpointing", "gradient_checkpointing")
    if name in TrainingArguments.__dataclass_fields__
)


def bfloat16_is_fast() -> bool:
    """Whether bfloat16 arithmetic pays here: CUDA that has it, or a CPU with AVX-512 BF16 or AMX.

    Elsewhere it is emulated: over fifty times slower than float32 where that was measured.
    """
    if torch.cuda.is_available():
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    capabilities = torch.cpu.get_capabilities()
    return bool(capabilities.get("avx512_bf16") or capabilities.get("amx_bf16"))


def can_compile() -> bool:
    """Whether there is a compiler for torch.compile: C++ for a CPU, C for what Triton launches."""
    names = ("cc", "gcc", "clang") if torch.cuda.is_available() else ("c++", "g++", "clang++", "cl")
    named = os.environ.get("CC" if torch.cuda.is_available() else "CXX")
    return any(shutil.which(name) for name in ([named] if named else names))


def training_arguments(
    optimisation: Optimisation, out: Path, seed: int, **more: Any
) -> TrainingArguments:
    """Return Trainer arguments; `more` are further TrainingArguments fields."""
    compiled = optimisation.compiled and can_compile()
    if optimisation.compiled and not compiled:
        logger.warning("the recipe is not compiled, as there is no C compiler: slower, else alike")
    return TrainingArguments(
        output_dir=str(out),
        seed=seed,
        data_seed=seed,
        learning_rate=optimisation.learning_rate,
        lr_scheduler_type=optimisation.schedule,
        warmup_steps=optimisation.warmup_steps,
        weight_decay=optimisation.weight_decay,
        adam_beta2=optimisation.adam_beta2,
        max_grad_norm=optimisation.max_gradient_norm,
        per_device_train_batch_size=optimisation.batch_sequences,
        per_device_eval_batch_size=optimisation.batch_sequences,
        gradient_accumulation_steps=optimisation.accumulation_steps,
        optim="adamw_torch_fused",
        use_cpu=not torch.accelerator.is_available(),  # else bf16 is refused on a CPU
        bf16=bfloat16_is_fast(),
        torch_compile=compiled,
        report_to="none",
        dataloader_pin_memory=torch.cuda.is_available(),
        **more,
    )
