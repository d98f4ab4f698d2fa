"""Which blocks of the cache of keys and values are free.

Knows nothing about requests, nor about what lies in a block.
"""

from collections.abc import Iterable


class BlockPool:
    """Blocks numbered from 0, each free or lent."""

    def __init__(self, blocks: int, block_tokens: int) -> None:
        self.block_tokens = block_tokens
        self.blocks = blocks
        self._free = list(range(blocks - 1, -1, -1))  # a list's end is where it is cheap to take

    def take(self, tokens: int) -> list[int] | None:
        """Return blocks for so many tokens, or None where too few are free."""
        wanted = -(-tokens // self.block_tokens)
        if wanted > len(self._free):
            return None
        return [self._free.pop() for _ in range(wanted)]

    def give_back(self, blocks: Iterable[int]) -> None:
        """Take back what was lent."""
        self._free.extend(blocks)
