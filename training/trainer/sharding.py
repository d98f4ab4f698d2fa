"""A model that FSDP has split over the processes: what it cannot learn by, and made whole again."""

from pathlib import Path

import torch
from accelerate import PartialState
from transformers import AutoModelForCausalLM, PreTrainedModel, Trainer

from training.errors import TrainingError
from training.recipe import Finetuning


def check_shardable(trainer: Trainer, plan: Finetuning) -> None:
    """Refuse what needs whole matrices, or whole checkpoints.

    Raises:
        TrainingError: FSDP is on, and the recipe asks for Muon or LoRA.

    """
    if trainer.is_fsdp_enabled and (plan.lora or plan.optimisation.muon_learning_rate):
        raise TrainingError(
            "finetuning.lora and optimisation.muon_learning_rate do not go with FSDP: leave them "
            "out, or launch with --multi_gpu"
        )


def whole_model(trainer: Trainer, model: PreTrainedModel, work: Path) -> PreTrainedModel:
    """Return `model`, or its copy with every weight if each process holds a part; all must call."""
    if not trainer.is_fsdp_enabled:
        return model
    directory = work / "whole"
    trainer.save_model(str(directory))
    PartialState().wait_for_everyone()
    whole: PreTrainedModel = AutoModelForCausalLM.from_pretrained(directory, dtype=torch.float32)
    PartialState().wait_for_everyone()  # before the first one clears `work`
    return whole
