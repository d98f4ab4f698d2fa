"""How a text becomes terms, by the rules that an index was made with.

The same as `training.references.terms` does to what it indexes; a test holds both to that. Knows
nothing about messages.
"""

import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import Stemmer


def plain(text: str) -> str:
    """Return a text in small letters without accents and apostrophes."""
    if not text.isascii():
        letters = unicodedata.normalize("NFKD", text.replace("\u2019", ""))
        text = "".join(letter for letter in letters if not unicodedata.combining(letter))
    return text.lower().replace("'", "")


class Terms:
    """Texts become terms: stems, and what a number or a letter is bound to (`type#2`)."""

    def __init__(self, rules: Mapping[str, Any]) -> None:
        self._split = re.compile(rules["splitter"]).findall
        self._qualifier = re.compile(rules["qualifier"])
        self._stemmer = Stemmer.Stemmer(rules["stemmer"])
        self.stop_words = frozenset[str](rules["stop_words"])
        self._numerals: Mapping[str, str] = rules["numerals"]
        self._counted_numerals: Mapping[str, str] = rules["counted_numerals"]
        self._counted = frozenset[str](rules["counted"])

    def words(self, text: str) -> list[str]:
        """Return a text's words, plain, Roman numbers as Arabic."""
        words: list[str] = []
        for word in self._split(plain(text)):
            after = words[-1] if words else ""
            number = self._numerals.get(word)
            if after in self._counted:
                number = number or self._counted_numerals.get(word)
            if word.isdigit() and len(after) == 1 and after.isalpha() and after not in "ai":
                words[-1] = after + word  # b-12, b 12 and b12
            else:
                words.append(number or word)
        return words

    def stems(self, text: str) -> list[str]:
        """Return a text's terms, in order; stop words left out."""
        words = self.words(text)
        return [term for _, term in self.placed(words, self.stem(words), particles=False)]

    def stem(self, words: Sequence[str]) -> list[str]:
        """Return each word's stem."""
        stems: list[str] = self._stemmer.stemWords(words)
        return stems

    def placed(
        self, words: Sequence[str], stems: Sequence[str], *, particles: bool
    ) -> Iterator[tuple[int, str]]:
        """Yield terms with the place of their word.

        Numbers and single letters are bound to the word that they follow, unless it is a stop
        word: `is 3mc syndrome` names what `3mc syndrome` does. So are, with `particles`, stop
        words (`pass#out`, `down#syndrom`), as a name that is nothing without them was.
        """
        for place, (word, stem) in enumerate(zip(words, stems, strict=True)):
            after_word = place and words[place - 1] not in self.stop_words
            if after_word and self._qualifier.fullmatch(word):
                yield place, f"{stems[place - 1]}#{word}"
                if particles and len(word) > 1 and not word.isdigit():
                    yield place, stem  # `causes 5q minus syndrome`: a name may begin with it
            elif word not in self.stop_words:
                if particles and place and not (after_word or self._qualifier.fullmatch(word)):
                    yield place, f"{words[place - 1]}#{stem}"
                yield place, stem
            elif particles and after_word:
                yield place, f"{stems[place - 1]}#{word}"
