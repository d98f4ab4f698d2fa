"""The processes of one run: a single one, or as many as `accelerate launch` started."""

import os
from collections.abc import MutableMapping

import torch
from accelerate import PartialState
from transformers.utils import logging

from training.errors import TrainingError


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
