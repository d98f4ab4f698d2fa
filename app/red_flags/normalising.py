"""Reads letters as they were meant: bold, full-width, accented, repeated, invisible ones between.

Done before words are looked for in a message; knows nothing about which words. Time is linear in
the text.
"""

import re
import unicodedata
from itertools import chain

_APOSTROPHES = "'`\u00b4\u2018\u2019\u02bc\u2032\uff07"
_LONGEST = 4  # times as long as it was: what the compatibility forms of a text may be
_REPEATED = re.compile(r"([a-z])\1{2,}")
_NO_WORD = re.compile(r"[\W_]+")


def _dropped() -> dict[int, None]:
    """Return what is dropped: marks over and under letters, invisible characters, apostrophes."""
    codes = chain(range(0x1EC00), range(0xE0000, 0xE01F0))  # there are none elsewhere
    marks = (code for code in codes if unicodedata.category(chr(code)) in {"Mn", "Me", "Cf"})
    return dict.fromkeys([*marks, *map(ord, _APOSTROPHES)])


_DROPPED = _dropped()


def plain(text: str) -> str:
    """Return a text in lower case, of plain letters, its punctuation kept.

    A letter written three times or more is one: "breatheeee" is "breathe".
    """
    if not text.isascii():
        # Marks are dropped first: to put a long row of them in order takes quadratic time.
        text = text.translate(_DROPPED)
        simple = unicodedata.normalize("NFKD", text)
        if len(simple) <= _LONGEST * len(text):
            text = simple
    return _REPEATED.sub(r"\1", text.translate(_DROPPED).lower())


def words_of(text: str) -> str:
    """Return a plain text's words with single spaces between."""
    return _NO_WORD.sub(" ", text).strip()
