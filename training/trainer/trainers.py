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
    """Trainer, with every step's loss and every checkpoint's writing checked.

    Losses stay on their device until the last batch of a step: each look at one makes the host wait
    for the device, and an accumulated step has many.
    """

    _seen: list[tuple[torch.Tensor, torch.Tensor]] | None = None

    def training_step(self, *arguments: Any, **named: Any) -> torch.Tensor:
        """Run one forward and backward pass.

        Raises:
            TrainingError: the loss of a batch of this step is infinite or not a number; told at
                the step's last batch, before the model is changed.

        """
        loss: torch.Tensor = super().training_step(*arguments, **named)
        self._seen = [*(self._seen or []), (loss.detach(), arguments[1]["input_ids"])]
        if self.accelerator.sync_gradients:
            seen, self._seen = self._seen, None
            self._check(torch.stack([each for each, _ in seen]).tolist(), [ids for _, ids in seen])
        return loss

    def _check(self, losses: list[float], batches: list[torch.Tensor]) -> None:
        for loss, ids in zip(losses, batches, strict=True):
            if not math.isfinite(loss):
                raise TrainingError(
                    f"step {self.state.global_step + 1}: the loss is {loss} on the batch that "
                    f"begins {self._beginning(ids)}; a lower learning rate may help"
                )

    def _save_checkpoint(self, *arguments: Any, **named: Any) -> None:
        try:
            super()._save_checkpoint(*arguments, **named)
        except (OSError, RuntimeError, SafetensorError) as error:
            raise TrainingError(
                f"step {self.state.global_step}: no checkpoint could be written to "
                f"{self.args.output_dir}: {str(error).splitlines()[0]}"
            ) from error

    def _beginning(self, batch: torch.Tensor) -> str:
        ids = batch[0, :_SHOWN_TOKENS].tolist()
        tokenizer: Any = self.processing_class
        return repr(tokenizer.decode(ids)) if tokenizer else str(ids)
