"""What the scheduler needs of whatever does the arithmetic: ragged runs of tokens in, logits out.

Knows nothing about requests, text, sampling or where tensors live. A backend keeps keys and values
in blocks and nothing else: which of them are whose is the scheduler's affair, so a request is cut
back by a smaller `kv_length`, and freed by giving its blocks to another.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol


@dataclass(frozen=True, slots=True)
class Run:
    """The tokens of one request that a step reads: a piece of a prompt, the last token, drafts.

    `kv_length` tokens before them were read in earlier steps, and their keys and values are held
    in `blocks`, in order; so will be those of `tokens`. `wanted` says of how many of the last
    tokens the logits are needed: 0 in the midst of a prompt, 1 to go on, more to verify drafts or
    to score a text.
    """

    tokens: Sequence[int]
    kv_length: int
    blocks: Sequence[int]
    wanted: int


class Backend(Protocol):
    """One model on one device, with its cache of keys and values."""

    @property
    def block_tokens(self) -> int:
        """How many tokens' keys and values one block holds."""

    @property
    def blocks(self) -> int:
        """How many blocks there are; they are numbered from 0."""

    def forward(self, runs: Sequence[Run]) -> Any:
        """Read all runs in one step.

        Returns:
            The logits that are wanted, in the order of the runs and of their tokens: [sum of
            `wanted`, vocabulary], float32, a NumPy array or a torch tensor on the backend's
            device. It may be overwritten by the next call.

        """

    def ran_out_of_memory(self, error: Exception) -> bool:
        """Whether an error that `forward` raised says that memory ran out: the model lives on."""
