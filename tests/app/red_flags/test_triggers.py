"""Which words a pattern cannot do without."""

import pytest

from app.red_flags import rules
from app.red_flags.normalising import plain
from app.red_flags.triggers import Triggers, starts
from tests.app.red_flags.rates import messages


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("(cant|cannot) ~ (breathe?|air)", {"cant", "cannot"}),
        ("(really |very )?(bad|hard)(?! luck)", {"bad", "hard"}),
        (r"(1[0-9]|[2-9]\d) pills", {"pills"}),
        (r"(slic\w+|cut) ~ open", {"open"}),
        ("(?<!do )i(?! need)", {"i"}),
        ("step ?dad", {"step"}),
        (r"\d+ weeks|ache", {"weeks", "ache"}),
        (r"\w*fever", {""}),
    ],
)
def test_the_start_of_a_word_that_every_match_holds(pattern: str, expected: set[str]) -> None:
    assert starts(pattern) == expected


def test_only_patterns_whose_words_stand_there_are_possible() -> None:
    triggers = Triggers(["(cant|not) ~ breath", "blood|bleed\\w*"])
    assert triggers.possible(["he", "is", "not", "breathing"]) == [0]
    assert triggers.possible(["she", "bleeds"]) == [1]
    assert triggers.possible([]) == []


def test_whatever_a_phrase_finds_was_possible() -> None:
    """Otherwise a phrase of the rules would be looked for nowhere."""
    compiled = rules._rules()
    found = 0
    for text, _ in messages("after") + messages("before"):
        for words in rules._sentences(plain(text)):
            said = " ".join(words)
            matching = {n for n, (_, phrase) in enumerate(compiled.phrases) if phrase.search(said)}
            assert matching <= set(compiled.triggers.possible(words))
            found += len(matching)
    assert found > 1_000
