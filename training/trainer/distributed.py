"""The processes of one run: a single one, or as many as `accelerate launch` started."""

import torch
from accelerate import PartialState
from transformers.utils import logging

from training.errors import TrainingError


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
