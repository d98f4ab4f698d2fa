"""How a text of MedQuAD becomes terms of the index, as `app.references.terms` does to a message.

The two rooms do not import each other: the rules stand here as code and travel as data in the
index's `index.json`, and a test holds both to the same terms.
"""

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field

import Stemmer

_STOP_WORDS = """
a about above after again against all also am an and any are arent as at be because been before
being below between both but by can cannot cant could did do does doesnt doing don dont down during
each few for from further had has have having he her here hers him his how i id if ill im in into is
isnt it its ive just may me might mine more most must my myself no nor not now of off on only or
other our ours out over own s same shall she should so some such t than that the their them then
there these they this those through to too under until up us very was wasnt we were what whats when
where which while who whom whose why will with wont would wouldnt you your youre yours
""".split()  # noqa: SIM905 - a list of so many words is longer than it is clear
_NUMERALS = {
    "ii": "2", "iii": "3", "iv": "4", "vi": "6", "vii": "7", "viii": "8", "ix": "9", "xi": "11",
}  # fmt: skip
_COUNTED_NUMERALS = {"i": "1", "v": "5", "x": "10"}
_COUNTED = ["type", "stage", "grade", "group", "class", "factor"]


@dataclass(frozen=True, slots=True)
class Rules:
    """What `index.json` tells the app."""

    splitter: str = r"[a-z0-9]+"
    qualifier: str = r"\d+[a-z]{0,2}|[a-z]"
    """A word that names nothing alone: the 2 of type 2, the b of hepatitis b."""
    stemmer: str = "english"
    stop_words: list[str] = field(default_factory=lambda: _STOP_WORDS)
    numerals: dict[str, str] = field(default_factory=lambda: _NUMERALS)
    counted_numerals: dict[str, str] = field(default_factory=lambda: _COUNTED_NUMERALS)
    counted: list[str] = field(default_factory=lambda: _COUNTED)
    """Words after which i, v and x are numbers."""


class Terms:
    """Texts become terms: stems, and what a number or a letter is bound to (`type#2`)."""

    def __init__(self, rules: Rules | None = None) -> None:
        self.rules = rules or Rules()
        self._qualifier = re.compile(self.rules.qualifier)
        self._stemmer = Stemmer.Stemmer(self.rules.stemmer)
        self._stop_words = frozenset(self.rules.stop_words)

    def words(self, text: str) -> list[str]:
        """Return a text's words, plain, Roman numbers as Arabic."""
        words: list[str] = []
        for word in re.findall(self.rules.splitter, plain(text)):
            after = words[-1] if words else ""
            number = self.rules.numerals.get(word)
            if after in self.rules.counted:
                number = number or self.rules.counted_numerals.get(word)
            if word.isdigit() and len(after) == 1 and after.isalpha() and after not in "ai":
                words[-1] = after + word  # b-12, b 12 and b12
            else:
                words.append(number or word)
        return words

    def of(self, words: list[str]) -> list[str]:
        """Return the terms of words: stems, qualifiers bound to what they follow."""
        return list(self._terms(words, particles=False))

    def of_name(self, words: list[str]) -> list[str]:
        """Return the terms of a topic's name: no word is cut from a name that it leaves too short.

        `passing out` is not `passing`, nor `Down syndrome` a syndrome: stop words are bound to the
        word beside them.
        """
        if len(words) == 1 and words[0].startswith("="):
            return words
        terms = self.of(words)
        particles = len(words) > 1 and len(terms) < 2
        return list(self._terms(words, particles=True)) if particles else terms

    def phrase(self, words: list[str]) -> bytes:
        """Return the stems of all words, as one text: what a name is as it is said."""
        return " ".join(self.stem(words)).encode()

    def stem(self, words: list[str]) -> list[str]:
        """Return each word's stem; of acronyms that only capitals mean, the word."""
        stems: list[str] = self._stemmer.stemWords(words)
        return [w if w.startswith("=") else stem for w, stem in zip(words, stems, strict=True)]

    def _terms(self, words: list[str], *, particles: bool) -> Iterator[str]:
        stems = self.stem(words)
        for place, (word, stem) in enumerate(zip(words, stems, strict=True)):
            after_word = place and words[place - 1] not in self._stop_words
            if after_word and self._qualifier.fullmatch(word):
                yield f"{stems[place - 1]}#{word}"
            elif word not in self._stop_words:
                if particles and place and not (after_word or self._qualifier.fullmatch(word)):
                    yield f"{words[place - 1]}#{stem}"
                yield stem
            elif particles and after_word:
                yield f"{stems[place - 1]}#{word}"


def plain(text: str) -> str:
    """Return a text in small letters without accents and apostrophes."""
    if not text.isascii():
        letters = unicodedata.normalize("NFKD", text.replace("\u2019", ""))
        text = "".join(letter for letter in letters if not unicodedata.combining(letter))
    return text.lower().replace("'", "")


def acronym_term(name: str) -> str:
    """Return the term of an acronym that is also an everyday word: capitals alone mean it."""
    return f"={name}"


def as_data(rules: Rules) -> dict[str, object]:
    """Return the rules as the app reads them."""
    return asdict(rules)
