"""Batches of similar length in an order that seed and epoch alone decide.

Trainer's own length-grouped order comes from the global random state, so that a resumed run sees
other batches, and two processes must agree on that state first.
"""

from collections.abc import Iterator
from typing import Any

import torch
from torch.utils.data import Sampler
from transformers.trainer_pt_utils import get_length_grouped_indices

from training.trainer.trainers import FiniteTrainer


class LengthGroups(Sampler[int]):
    """Indices such that each run of `batch_sequences` has similar `lengths`."""

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
