"""The processes of one run, one or as many as `accelerate launch` started; what FSDP splits."""

from pathlib import Path

import torch
from accelerate import PartialState
from transformers import AutoModelForCausalLM, PreTrainedModel, Trainer
from transformers.utils import logging

from training.errors import TrainingError
from training.recipe import Finetuning


def join() -> PartialState:
    """Return this process's place among the processes of the run; only the first one talks.

    Raises:
        TrainingError: the environment tells of other processes, which cannot be found.

    """
    try:
        place = PartialState(cpu=not torch.accelerator.is_available())
    except (ValueError, RuntimeError, OSError) as error:
        raise TrainingError(
            "the processes of this run did not find each other; `accelerate launch` sets what "
            f"they need: {str(error).splitlines()[0]}"
        ) from error
    if not place.is_main_process:
        logging.disable_progress_bar()
    return place


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
