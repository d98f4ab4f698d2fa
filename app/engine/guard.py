"""The guard against repetition: which tokens would make an answer repeat itself.

No sequence of so many tokens comes twice (Paulus et al. 2017), with two exceptions without which
the answer's words break. What stands in the prompt may come again: an answer names its subject.
And inside a word only sequences three times as long count: else the second "autosomal" ends as
something else. But a sequence five times as long is no name: it comes no more often than it stands
in the prompt, or a model that copies a passage copies some sentence of it for ever. The guard grows
and shrinks with the answer, token by token, so that what is banned after each guessed token costs a
look-up and not a search.
"""

from collections.abc import Sequence

from app.engine.tokenizer import Tokenizer

_LONGER_INSIDE_WORDS = 3
_LONGER_THAN_NAMES = 5
_JOINING = "-'\u2019\ufffd"  # and pieces of a character

Tail = tuple[int, ...]


def inside_words(tokenizer: Tokenizer) -> frozenset[int]:
    """Return the tokens that go on with a word instead of beginning one."""
    special = tokenizer.special_ids
    return frozenset(
        token
        for token, text in enumerate(tokenizer.token_texts())
        if token not in special and text and (text[0].isalnum() or text[0] in _JOINING)
    )


class RepetitionGuard:
    """What one answer may not say next; `size` is the length of what must not come twice."""

    def __init__(self, prompt: Sequence[int], size: int, inside_words: frozenset[int]) -> None:
        self._prompt = list(prompt)
        self._inside_words = inside_words
        self._made: list[int] = []
        self._tails = tuple(size * n - 1 for n in (1, _LONGER_INSIDE_WORDS, _LONGER_THAN_NAMES))
        self._after: tuple[dict[Tail, list[int]], ...] = ({}, {}, {})

    def push(self, token: int) -> None:
        """Take the next token of the answer."""
        for length, after in zip(self._tails, self._after, strict=True):
            if len(self._made) >= length:
                after.setdefault(self._tail(length), []).append(token)
        self._made.append(token)

    def pop(self) -> None:
        """Forget the last token: it was a guess."""
        self._made.pop()
        for length, after in zip(self._tails, self._after, strict=True):
            if len(self._made) >= length:
                after[self._tail(length)].pop()

    def banned(self) -> list[int]:
        """Return the tokens that must not come next."""
        begun, within = (self._completing(kind) for kind in (0, 1))
        own = {*(begun - self._inside_words), *(within & self._inside_words)}
        return [*(own | self._often())]

    def _tail(self, length: int) -> Tail:
        return tuple(self._made[len(self._made) - length :])

    def _completing(self, kind: int) -> set[int]:
        length = self._tails[kind]
        if len(self._made) <= length:
            return set()
        tail = self._tail(length)
        after = self._after[kind].get(tail)
        return set(after) - set(self._asked(tail)) if after else set()

    def _often(self) -> set[int]:
        """Return what would complete a long sequence once more than it stands in the prompt."""
        tail = self._tail(self._tails[2])
        after = self._after[2].get(tail)
        if not after:
            return set()
        asked = self._asked(tail)
        return {token for token in after if after.count(token) >= asked.count(token)}

    def _asked(self, tail: Tail) -> list[int]:
        """Return what stands right after each `tail` in the prompt."""
        length, prompt = len(tail), self._prompt
        return [
            prompt[end]
            for end in range(length, len(prompt))
            if tuple(prompt[end - length : end]) == tail
        ]
