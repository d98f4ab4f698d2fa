"""Messages to train on, drawn from templates: one line says a thing in hundreds of ways.

In a template `(a|b)` is one of, `(a)?` may be missing, `{name}` is one of the list of that name.
Knows nothing about kinds or classifiers.
"""

import random
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

_INNERMOST = re.compile(r"\(([^()]*)\)(\??)|\{(\w+)\}")


def lines_of(path: Path) -> list[str]:
    """Return a file's lines without comments, without those that hold nothing."""
    lines = path.read_text(encoding="utf-8").splitlines()
    return [line for line in lines if line.strip() and not line.startswith("#")]


def read_slots(path: Path) -> dict[str, Sequence[str]]:
    """Return lists by name, from lines `name = one|another`."""
    named = (line.split(" = ", 1) for line in lines_of(path))
    return {name: phrases.split("|") for name, phrases in named}


def drawn(template: str, slots: Mapping[str, Sequence[str]], most: int, seed: int) -> Iterator[str]:
    """Yield up to `most` different messages of a template; the same for the same seed."""
    chance = random.Random(f"{seed} {template}")  # noqa: S311 - variety, no secret

    def chosen(match: re.Match[str]) -> str:
        if match[3]:
            return chance.choice(slots[match[3]])
        return "" if match[2] and chance.random() < 0.5 else chance.choice(match[1].split("|"))

    seen: set[str] = set()
    for _ in range(2 * most):
        text, left = template, 1
        while left:
            text, left = _INNERMOST.subn(chosen, text)
        text = " ".join(text.split())
        if text not in seen and len(seen) < most:
            seen.add(text)
            yield text


def misspelled(text: str, chance: random.Random) -> str:
    """Return a text with a letter lost, doubled, swapped or wrong in some words."""
    words = text.split()
    for _ in range(1 + len(words) // 9):
        place = chance.randrange(len(words))
        word = words[place]
        if len(word) > 4:
            at = chance.randrange(1, len(word) - 1)
            words[place] = chance.choice(
                [
                    word[:at] + word[at + 1 :],
                    word[:at] + word[at] + word[at:],
                    word[:at] + word[at + 1] + word[at] + word[at + 2 :],
                    word[:at] + chance.choice("aeiourstn") + word[at + 1 :],
                ]
            )
    return " ".join(words)
