"""Which words a pattern cannot do without, so that most texts need no search for most patterns.

Reads the regular expressions of phrases as rules.toml writes them: words, groups, classes of
digits, lookarounds, `?` and bounded repeats. What it cannot read may begin with anything.
"""

import re
from collections.abc import Iterable, Iterator
from functools import lru_cache

Starts = frozenset[str]
"""Beginnings of words, one of which stands in whatever matches; `""` begins every word."""

_ANYTHING: Starts = frozenset([""])
_DIGITS: Starts = frozenset("0123456789")
_TOKEN = re.compile(
    r"(?P<look>\(\?<?[!=])|(?P<open>\((?:\?:)?)|(?P<close>\))|(?P<or>\|)|(?P<gap>~)|(?P<edge>\\b)"
    r"|(?P<digit>\\d|\[\d-\d\])|(?P<any>\\w|\[[^]]*\])|(?P<char>[^\\])"
)
_REPEAT = re.compile(r"[?*+]|\{\d+(?:,\d+)?\}")


class Triggers:
    """Which of some patterns a text could match, by its words."""

    def __init__(self, patterns: Iterable[str]) -> None:
        self._bits: dict[str, int] = {}
        for place, pattern in enumerate(patterns):
            for start in starts(pattern):
                self._bits[start] = self._bits.get(start, 0) | 1 << place
        self._longest = max(map(len, self._bits), default=0)
        self._of_word = lru_cache(8192)(self._of_new_word)

    def _of_new_word(self, word: str) -> int:
        found = 0
        for length in range(min(len(word), self._longest) + 1):
            found |= self._bits.get(word[:length], 0)
        return found

    def possible(self, words: Iterable[str]) -> list[int]:
        """Return the places of the patterns that the words, in this order or not, could match."""
        found = 0
        for word in words:
            found |= self._of_word(word)
        places = []
        while found:
            places.append(found.bit_length() - 1)
            found ^= 1 << places[-1]
        return places


def starts(pattern: str) -> Starts:
    """Return beginnings of words, one of which stands in whatever the pattern matches."""
    return _Reader(pattern).alternatives()[0]


class _Reader:
    """Reads a pattern once, from left to right."""

    def __init__(self, pattern: str) -> None:
        self._tokens = self._read(pattern)
        self._next = next(self._tokens)

    @staticmethod
    def _read(pattern: str) -> Iterator[tuple[str, str, bool]]:
        """Yield each token's kind, its text, and whether it may be missing."""
        place = 0
        while place < len(pattern):
            token = _TOKEN.match(pattern, place)
            assert token is not None, f"cannot read {pattern[place:]!r}"
            place = token.end()
            repeat = _REPEAT.match(pattern, place)
            if repeat:
                place = repeat.end()
            missing = repeat is not None and (repeat[0] in "?*" or repeat[0].startswith("{0"))
            yield str(token.lastgroup), token[0], missing
        yield "end", "", False

    def _take(self) -> tuple[str, str, bool]:
        token = self._next
        self._next = next(self._tokens, token)
        return token

    def alternatives(self, first: bool = True) -> tuple[Starts, bool, bool]:
        """Read to the closing bracket; return the starts, whether a word ends there, and `missing`.

        `first`: the text read begins a word.
        """
        found: set[str] = set()
        ended = True
        while True:
            best, at_word = self._sequence(first)
            found |= best
            ended &= at_word
            kind, _, missing = self._take()
            if kind != "or":
                return frozenset(found), ended, missing

    def _sequence(self, at_word: bool) -> tuple[Starts, bool]:
        best, run = _ANYTHING, ""
        while self._next[0] not in ("or", "close", "end"):
            kind, text, missing = self._take()
            if kind == "char" and text != " " and not missing and (run or at_word):
                run, at_word = run + text, False
                continue
            best, run = _better(best, {run} if run else _ANYTHING), ""
            if kind in ("open", "look"):
                inner, ended, missing = self.alternatives(at_word)
                if kind == "look":
                    continue
                if at_word and not missing:
                    best = _better(best, inner)
                at_word = ended and (at_word or not missing)
            elif kind == "digit" and at_word and not missing:
                best, at_word = _better(best, _DIGITS), False
            elif kind != "edge":
                at_word = (text == " " and not missing) or (kind == "gap" and at_word)
        return _better(best, {run} if run else _ANYTHING), at_word


def _better(one: Iterable[str], other: Iterable[str]) -> Starts:
    """Return the starts that tell more: the longer ones."""
    pair = (frozenset(one), frozenset(other))
    return max(pair, key=lambda starts: (min(map(len, starts)), -len(starts)))
