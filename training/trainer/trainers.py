"""A Trainer that says why it cannot go on: a loss that is no number, a disk that is full.

Trainer itself hides such a loss from its log and goes on; nothing after that step can be used.
"""

import math
from typing import Any

import torch
from safetensors import SafetensorError
from transformers import Trainer

from training.errors import TrainingError

_SHOWN_TOKENS = 24


class FiniteTrainer(Trainer):
    """Trainer, with every step's loss and every checkpoint's writing checked."""

    def training_step(self, *arguments: Any, **named: Any) -> torch.Tensor:
        """Run one forward and backward pass.

        Raises:
            TrainingError: its loss is infinite or not a number.

        """
        loss: torch.Tensor = super().training_step(*arguments, **named)
        if not math.isfinite(loss):
            raise TrainingError(
                f"step {self.state.global_step + 1}: the loss is {float(loss)} on the batch that "
                f"begins {self._beginning(arguments[1])}; a lower learning rate may help"
            )
        return loss

    def _save_checkpoint(self, *arguments: Any, **named: Any) -> None:
        try:
            super()._save_checkpoint(*arguments, **named)
        except (OSError, RuntimeError, SafetensorError) as error:
            raise TrainingError(
                f"step {self.state.global_step}: no checkpoint could be written to "
                f"{self.args.output_dir}: {str(error).splitlines()[0]}"
            ) from error

    def _beginning(self, batch: dict[str, torch.Tensor]) -> str:
        ids = batch["input_ids"][0, :_SHOWN_TOKENS].tolist()
        tokenizer: Any = self.processing_class
        return repr(tokenizer.decode(ids)) if tokenizer else str(ids)
