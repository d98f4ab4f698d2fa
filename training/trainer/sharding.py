"""A model that FSDP has split over the processes: what it cannot learn by, and made whole again."""

from pathlib import Path

import torch
from accelerate import PartialState
from accelerate.utils import parse_flag_from_env
from transformers import AutoModelForCausalLM, PreTrainedModel, Trainer

from training.errors import TrainingError
from training.recipe import Finetuning


def check_shardable(plan: Finetuning) -> None:
    """Refuse what needs whole matrices, or whole checkpoints.

    Before there is a Trainer: it takes no optimizer of ours under FSDP, and says so in other words.

    Raises:
        TrainingError: FSDP is on, and the recipe asks for Muon or LoRA.

    """
    sharded = parse_flag_from_env("ACCELERATE_USE_FSDP")  # as `accelerate launch` tells
    if sharded and (plan.lora or plan.optimisation.muon_learning_rate):
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
