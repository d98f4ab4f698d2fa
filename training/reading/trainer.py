"""A Trainer that computes no logits where none is wanted: of a prompt with passages, most tokens.

They would be half of the work of a step.
"""

from typing import Any

import torch

from training.data.examples import IGNORED
from training.trainer.trainers import LengthGroupedTrainer


class ReadingTrainer(LengthGroupedTrainer):
    """LengthGroupedTrainer whose loss looks at answers alone."""

    def compute_loss(
        self,
        model: Any,
        inputs: dict[str, torch.Tensor],
        return_outputs: bool = False,
        num_items_in_batch: Any = None,
    ) -> Any:
        """Return the mean loss of the wanted tokens, and no outputs: only it is evaluated.

        Args:
            model: the model, wrapped as the Trainer does.
            inputs: `input_ids` and `labels`, both [sequences, tokens].
            return_outputs: whether a pair is expected.
            num_items_in_batch: tokens in all batches of an update; upstream sums their losses.
        """
        targets = inputs["labels"][:, 1:]
        wanted = targets != IGNORED
        logits = self._logits(model, inputs["input_ids"], wanted).float()
        loss = torch.nn.functional.cross_entropy(logits, targets[wanted], reduction="sum")
        tokens = wanted.sum() if num_items_in_batch is None else num_items_in_batch
        loss = loss / tokens
        return (loss, {}) if return_outputs else loss

    def _logits(self, model: Any, ids: torch.Tensor, wanted: torch.Tensor) -> torch.Tensor:
        """Return logits of the next token where one is wanted, shape [wanted, vocabulary].

        Padding is at the right, so that no token sees it, and a mask would only cost time. Where
        several processes train, all logits are computed: they exchange gradients only through the
        whole model's forward pass.
        """
        if self.args.world_size > 1:
            logits: torch.Tensor = model(ids).logits[:, :-1][wanted]
            return logits
        with torch.autocast(ids.device.type, torch.bfloat16, enabled=self.args.bf16):
            hidden = model.base_model(ids)[0]
            found: torch.Tensor = model.get_output_embeddings()(hidden[:, :-1][wanted])
        return found
