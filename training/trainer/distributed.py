"""The processes of one run, one or as many as `accelerate launch` started; what FSDP splits."""

import os
from collections.abc import MutableMapping
from pathlib import Path

import torch
from accelerate import PartialState
from accelerate.utils import parse_flag_from_env
from transformers import AutoModelForCausalLM, PreTrainedModel, Trainer
from transformers.utils import logging

from training.errors import TrainingError
from training.recipe import Finetuning, Optimisation


def join() -> PartialState:
    """Return this process's place among the processes of the run; only the first one talks.

    Raises:
        TrainingError: the environment tells of other processes, which cannot be found.

    """
    one_card(os.environ)
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


def one_card(environment: MutableMapping[str, str]) -> None:
    """Leave one card to be seen, unless `accelerate launch` or torchrun began this process.

    Trainer would spread a single process over all of them (DataParallel): the batch would grow with
    their number, and the evaluations and patience that the recipe counts in steps with it. To be
    called before anything asks for cards.
    """
    if "LOCAL_RANK" in environment or "WORLD_SIZE" in environment:
        return
    environment["CUDA_VISIBLE_DEVICES"] = environment.get("CUDA_VISIBLE_DEVICES", "0").split(",")[0]


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


def sequences_per_step(optimisation: Optimisation) -> int:
    """Return how many sequences one update is made from, those of all processes together."""
    processes: int = PartialState().num_processes
    return optimisation.batch_sequences * optimisation.accumulation_steps * processes


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
