"""A Trainer for which the first tokens of an answer count more than those that follow.

The choice of a passage shows there. With all tokens alike, the copying of long answers, and long
answers without passages, would outweigh it.
"""

from typing import Any

import torch

from training.data.examples import IGNORED
from training.trainer.trainers import LengthGroupedTrainer


class ReadingTrainer(LengthGroupedTrainer):
    """LengthGroupedTrainer with weights for the tokens by their place in the answer."""

    def __init__(self, *, first_tokens: int, later_weight: float, **named: Any) -> None:
        super().__init__(**named)
        self._first_tokens = first_tokens
        self._later_weight = later_weight

    def compute_loss(
        self,
        model: Any,
        inputs: dict[str, torch.Tensor],
        return_outputs: bool = False,
        num_items_in_batch: Any = None,
    ) -> Any:
        """Return the loss, and no outputs: only it is evaluated.

        `num_items_in_batch` counts tokens, so it is left aside.
        """
        del num_items_in_batch
        targets = inputs["labels"][:, 1:]
        wanted = targets != IGNORED
        losses = torch.nn.functional.cross_entropy(
            self._logits(model, inputs["input_ids"], wanted).float(),
            targets[wanted],
            reduction="none",
        )
        weights = torch.where(wanted.cumsum(dim=1) <= self._first_tokens, 1.0, self._later_weight)
        weights = weights[wanted]
        loss = (losses * weights).sum() / weights.sum() / self._accumulated(model)
        return (loss, {}) if return_outputs else loss

    def _logits(self, model: Any, ids: torch.Tensor, wanted: torch.Tensor) -> torch.Tensor:
        """Return logits of the next token where one is wanted, shape [wanted, vocabulary].

        A prompt's logits, two thirds of all, are not computed, where one process trains: several
        exchange gradients only through the whole model's forward pass. Padding is at the right, so
        that no token sees it, and a mask would only cost time.
        """
        if self.args.world_size > 1:
            logits: torch.Tensor = model(ids).logits[:, :-1][wanted]
            return logits
        with torch.autocast(ids.device.type, torch.bfloat16, enabled=self.args.bf16):
            hidden = model.base_model(ids)[0]
            found: torch.Tensor = model.get_output_embeddings()(hidden[:, :-1][wanted])
        return found

    def _accumulated(self, model: Any) -> int:
        """Return how many batches' losses are added up in an update: upstream sums them."""
        return int(self.args.gradient_accumulation_steps) if model.training else 1
