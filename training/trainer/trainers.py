"""Trainers that say why they cannot go on, and one whose batches are of similar length.

Trainer itself hides a loss that is no number from its log and goes on; nothing after that step can
be used. Its own length-grouped order comes from the global random state, so that a resumed run sees
other batches, and two processes must agree on that state first.
"""

import math
from collections.abc import Iterator
from typing import Any

import torch
from safetensors import SafetensorError
from torch.utils.data import Sampler
from transformers import Trainer
from transformers.trainer_pt_utils import get_length_grouped_indices

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


class LengthGroups(Sampler[int]):
    """Indices such that each run of `batch_sequences` has similar `lengths`.

    Seed and epoch alone decide their order.
    """

    def __init__(self, lengths: list[int], batch_sequences: int, seed: int) -> None:
        self._lengths = lengths
        self._batch_sequences = batch_sequences
        self._seed = seed
        self._epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch's order; the data loader calls it."""
        self._epoch = epoch

    def __len__(self) -> int:
        return len(self._lengths)

    def __iter__(self) -> Iterator[int]:
        generator = torch.Generator().manual_seed(self._seed + self._epoch)
        return iter(
            get_length_grouped_indices(self._lengths, self._batch_sequences, generator=generator)
        )


class LengthGroupedTrainer(FiniteTrainer):
    """FiniteTrainer, with the sequences of every update of similar length.

    One process that accumulates N batches and N processes see the same updates.
    """

    def _get_train_sampler(self, train_dataset: Any = None) -> LengthGroups:
        dataset: Any = train_dataset or self.train_dataset
        sequences = (
            self.args.train_batch_size
            * self.args.gradient_accumulation_steps
            * self.args.world_size
        )
        lengths = [len(example["input_ids"]) for example in dataset]
        return LengthGroups(lengths, sequences, self.args.seed)
