"""Where each token of a step stands: its position, its place in the cache, whose keys it meets.

Knows nothing about weights. Everything is laid out on the host, so that a device is told in one
copy and never asked. Requests with as many tokens and about as many keys stand side by side.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate

import torch
from torch import Tensor

from app.engine.backends.interface import Run

_MOST_GUESSES = 16


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
    """A step on its device."""

    shape: Shape
    wanted: int
    """How many rows of logits were asked for."""
    numbers: Tensor
    """All of the following, int64, as they lie one behind the other."""
    ids: Tensor
    positions: Tensor
    slots: Tensor
    """Where a row's key and value go: its block times `block_tokens`, plus the place in it."""
    rows: Tensor
    """Which rows' logits, in the order asked for."""
    bounds: Tensor
    """Where each run's rows begin, then where the last one's end [rows + 1]; no run: the end."""
    key_bounds: Tensor
    """The same of the keys that runs meet, as if those lay in a row [rows + 1]."""
    lengths: Tensor
    """Keys that each run meets, its own tokens' included [rows]; no run: 0."""
    table: Tensor
    """Blocks of each run [rows, blocks of a context]."""
    groups: Sequence[Group]
    """None where attention finds its way by the table."""


@dataclass(frozen=True, slots=True)
class Layout:
    """How steps are laid out for one model and device."""

    block_tokens: int
    blocks: int
    """Those that runs may name; one more, the last, takes what rows that fill up would write."""
    context_tokens: int
    row_multiple: int
    """Rows are filled up to a multiple of so many."""
    grouped: bool
    """Whether runs attend in groups."""

    @property
    def blocks_of_context(self) -> int:
        """Blocks that one request can fill."""
        return -(-self.context_tokens // self.block_tokens)

    def step(self, runs: Sequence[Run], device: torch.device) -> Step:
        """Lay out a step and send it to the device, without waiting for that."""
        runs = [single for run in runs for single in _singles(run)]
        grouped = self._grouped(runs)
        order = [place for group in grouped.values() for place in group]
        host = _Host()
        ends = self._rows([runs[place] for place in order], host)
        rows = host.sizes[0]
        end = dict(zip(order, ends, strict=True))
        asked = [
            row
            for place, run in enumerate(runs)
            for row in range(end[place] - run.wanted, end[place])
        ]
        host.add(asked + [0] * (self._filled(len(asked)) - len(asked)))
        self._whose([runs[place] for place in order], rows, host)
        if self.grouped:
            for (_, blocks), group in grouped.items():
                host.add([block for place in group for block in _own(runs[place], blocks)])
                host.add([runs[place].kv_length for place in group])
        longest = max(tokens for tokens, _ in grouped)
        return self._on_device(
            host, Shape(rows, host.sizes[3], longest), len(asked), device, grouped
        )

    def _on_device(
        self,
        host: "_Host",
        shape: Shape,
        wanted: int,
        device: torch.device,
        grouped: Mapping[tuple[int, int], Sequence[int]],
    ) -> Step:
        numbers = host.send(device)
        ids, positions, slots, rows, bounds, key_bounds, lengths, table, *rest = host.parts(numbers)
        return Step(
            shape=shape,
            wanted=wanted,
            numbers=numbers,
            ids=ids,
            positions=positions,
            slots=slots,
            rows=rows,
            bounds=bounds,
            key_bounds=key_bounds,
            lengths=lengths,
            table=table.view(shape.rows, -1),
            groups=_groups(grouped, rest) if self.grouped else (),
        )

    def _filled(self, rows: int) -> int:
        return -(-rows // self.row_multiple) * self.row_multiple

    def _grouped(self, runs: Sequence[Run]) -> dict[tuple[int, int], list[int]]:
        """Return runs' places by their tokens and blocks, these rounded up to a power of two.

        What a row is computed with then depends on its own request alone, and no short request is
        filled up to the longest.
        """
        grouped: defaultdict[tuple[int, int], list[int]] = defaultdict(list)
        for place, run in enumerate(runs):
            blocks = -(-(run.kv_length + len(run.tokens)) // self.block_tokens)
            padded = min(1 << (blocks - 1).bit_length(), self.blocks_of_context)
            grouped[len(run.tokens), padded].append(place)
        return grouped

    def _rows(self, runs: Sequence[Run], host: "_Host") -> list[int]:
        """Add ids, positions and slots; return behind which row each run ends."""
        ids: list[int] = []
        positions: list[int] = []
        slots: list[int] = []
        ends: list[int] = []
        for run in runs:
            ids += run.tokens
            ends.append(len(ids))
            for position in range(run.kv_length, run.kv_length + len(run.tokens)):
                block, place = divmod(position, self.block_tokens)
                positions.append(position)
                slots.append(run.blocks[block] * self.block_tokens + place)
        missing = self._filled(len(ids)) - len(ids)
        host.add(ids + [0] * missing)
        host.add(positions + [0] * missing)
        host.add(slots + [self.blocks * self.block_tokens] * missing)
        return ends

    def _whose(self, runs: Sequence[Run], rows: int, host: "_Host") -> None:
        """Add bounds, lengths and blocks, as for as many runs as there are rows."""
        bounds = [0, *accumulate(len(run.tokens) for run in runs)]
        missing = rows - len(runs)
        lengths = [run.kv_length + len(run.tokens) for run in runs] + [0] * missing
        host.add(bounds + bounds[-1:] * missing)
        host.add([0, *accumulate(lengths)])
        host.add(lengths)
        own = [block for run in runs for block in _own(run, self.blocks_of_context)]
        host.add(own + [0] * (missing * self.blocks_of_context))


def _groups(
    grouped: Mapping[tuple[int, int], Sequence[int]], parts: Sequence[Tensor]
) -> list[Group]:
    groups, start = [], 0
    for number, ((tokens, blocks), places) in enumerate(grouped.items()):
        names, kv_length = parts[2 * number : 2 * number + 2]
        groups.append(Group(start, len(places), tokens, names.view(-1, blocks), kv_length))
        start += len(places) * tokens
    return groups


def _singles(run: Run) -> Sequence[Run]:
    """Return guesses that are to be verified as runs of one token each, another run as it is.

    Their keys are written before any is attended to, so nothing else changes; and a token is
    computed as if it had not been guessed.
    """
    if not 1 < len(run.tokens) == run.wanted <= _MOST_GUESSES:
        return [run]
    return [
        Run([token], run.kv_length + place, run.blocks, 1) for place, token in enumerate(run.tokens)
    ]


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

    def send(self, device: torch.device) -> Tensor:
        pinned = device.type == "cuda"  # or the copy would wait for all that the device has to do
        host = torch.tensor(self._numbers, dtype=torch.int64, pin_memory=pinned)
        return host.to(device, non_blocking=True)

    def parts(self, numbers: Tensor) -> list[Tensor]:
        ends = accumulate(self.sizes)
        return [numbers[end - size : end] for end, size in zip(ends, self.sizes, strict=True)]
