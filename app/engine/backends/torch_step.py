"""Where each token of a step stands: its position, its place in the cache, whose keys it meets.

Knows nothing about weights. Everything is laid out on the host, so that a device is told in one
copy and never asked. Requests with as many tokens and about as many keys stand side by side.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from app.engine.backends.interface import Run


@dataclass(frozen=True, slots=True)
class Shape:
    """What a step's tensors are sized by; steps of one shape differ in numbers alone."""

    rows: int
    """Tokens, those that fill up included."""
    wanted: int
    """Rows whose logits are computed, likewise."""
    longest: int
    """Most tokens of one run."""


@dataclass(frozen=True, slots=True)
class Group:
    """Runs that attend in one call: rows from `start` on, `runs` times `tokens` of them."""

    start: int
    runs: int
    tokens: int
    table: Tensor
    """Blocks [runs, blocks]: a run's own, then any to fill up."""
    kv_length: Tensor
    """Tokens read before [runs]."""


@dataclass(frozen=True, slots=True)
class Step:
    """A step on its device; all tensors are int64."""

    shape: Shape
    wanted: int
    """How many rows of logits were asked for."""
    ids: Tensor
    positions: Tensor
    slots: Tensor
    """Where a row's key and value go: block × `block_tokens` + place in it."""
    rows: Tensor
    """Which rows' logits, in the order asked for."""
    bounds: Tensor
    """Where each run's rows begin, then where the last one's end [rows + 1]; no run: the end."""
    lengths: Tensor
    """Keys that each run meets, its own tokens' included [rows]; no run: 0."""
    table: Tensor
    """Blocks of each run [rows, blocks of a context]."""
    groups: Sequence[Group]


@dataclass(frozen=True, slots=True)
class Layout:
    """How steps are laid out for one model and device."""

    block_tokens: int
    blocks: int
    """Those that runs may name; one more, the last, takes what rows that fill up would write."""
    context_tokens: int
    row_multiple: int
    """Rows are filled up to a multiple of so many."""

    @property
    def blocks_of_context(self) -> int:
        """Blocks that one request can fill."""
        return -(-self.context_tokens // self.block_tokens)

    def step(self, runs: Sequence[Run], device: torch.device) -> Step:
        """Lay out a step and send it to the device, without waiting for that.

        Runs may come in any order; no two may hold the same block.
        """
        grouped = self._grouped(runs)
        ordered = [run for group in grouped.values() for run in group]
        host = _Host()
        first_row = self._rows(ordered, host)
        rows = sum(host.sizes[:1])
        asked = [
            row
            for run in runs
            for row in range(first_row[id(run)] + len(run.tokens) - run.wanted,
                             first_row[id(run)] + len(run.tokens))
        ]  # fmt: skip
        host.add(asked + [0] * (self._filled(len(asked)) - len(asked)))
        self._whose(ordered, rows, host)
        for (_, blocks), group in grouped.items():
            host.add([block for run in group for block in _own(run, blocks)])
            host.add([run.kv_length for run in group])
        parts = host.send(device)
        ids, positions, slots, wanted, bounds, lengths, table, *rest = parts
        shape = Shape(rows, len(wanted), max(tokens for tokens, _ in grouped))
        groups, start = [], 0
        for place, ((tokens, blocks), group) in enumerate(grouped.items()):
            names, kv_length = rest[2 * place : 2 * place + 2]
            groups.append(Group(start, len(group), tokens, names.view(-1, blocks), kv_length))
            start += len(group) * tokens
        table = table.view(rows, -1)
        return Step(
            shape, len(asked), ids, positions, slots, wanted, bounds, lengths, table, groups
        )

    def _filled(self, rows: int) -> int:
        return -(-rows // self.row_multiple) * self.row_multiple

    def _grouped(self, runs: Sequence[Run]) -> dict[tuple[int, int], list[Run]]:
        """Return runs by their tokens and their blocks, these rounded up to a power of two.

        What a row is computed with then depends on its own request alone, and no short request is
        filled up to the longest.
        """
        grouped: defaultdict[tuple[int, int], list[Run]] = defaultdict(list)
        for run in runs:
            blocks = -(-(run.kv_length + len(run.tokens)) // self.block_tokens)
            padded = min(1 << (blocks - 1).bit_length(), self.blocks_of_context)
            grouped[len(run.tokens), padded].append(run)
        return grouped

    def _rows(self, runs: Sequence[Run], host: "_Host") -> dict[int, int]:
        """Add ids, positions and slots; return the first row of each run."""
        ids: list[int] = []
        positions: list[int] = []
        slots: list[int] = []
        first: dict[int, int] = {}
        for run in runs:
            first[id(run)] = len(ids)
            ids += run.tokens
            for position in range(run.kv_length, run.kv_length + len(run.tokens)):
                block, place = divmod(position, self.block_tokens)
                positions.append(position)
                slots.append(run.blocks[block] * self.block_tokens + place)
        missing = self._filled(len(ids)) - len(ids)
        host.add(ids + [0] * missing)
        host.add(positions + [0] * missing)
        host.add(slots + [self.blocks * self.block_tokens] * missing)
        return first

    def _whose(self, runs: Sequence[Run], rows: int, host: "_Host") -> None:
        """Add bounds, lengths and blocks, as for as many runs as there are rows."""
        bounds = [0]
        for run in runs:
            bounds.append(bounds[-1] + len(run.tokens))
        missing = rows - len(runs)
        host.add(bounds + bounds[-1:] * missing)
        host.add([run.kv_length + len(run.tokens) for run in runs] + [0] * missing)
        own = [block for run in runs for block in _own(run, self.blocks_of_context)]
        host.add(own + [0] * (missing * self.blocks_of_context))


def _own(run: Run, count: int) -> list[int]:
    blocks = list(run.blocks[:count])
    return blocks + blocks[-1:] * (count - len(blocks))


class _Host:
    """Lists of numbers that travel to a device as one tensor."""

    def __init__(self) -> None:
        self._numbers: list[int] = []
        self.sizes: list[int] = []

    def add(self, numbers: list[int]) -> None:
        self._numbers += numbers
        self.sizes.append(len(numbers))

    def send(self, device: torch.device) -> Sequence[Tensor]:
        pinned = device.type == "cuda"  # or the copy would wait for all that the device has to do
        host = torch.tensor(self._numbers, dtype=torch.int64, pin_memory=pinned)
        return host.to(device, non_blocking=True).split(self.sizes)
