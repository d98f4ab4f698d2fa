"""The rules of rules.toml: what they find by themselves, and that they are sound."""

import re
import tomllib

import pytest

from app.red_flags import rules
from app.red_flags.normalising import plain
from app.red_flags.rules import kinds_by_rules
from tests.app.red_flags.rates import messages

_RULES = tomllib.loads(rules.FILE.read_text(encoding="utf-8"))


def _kinds(text: str) -> set[str]:
    return kinds_by_rules(plain(text))


@pytest.mark.parametrize(("name", "least"), [("before", 75), ("after", 75), ("blind", 40)])
def test_what_they_were_made_with_is_found_by_its_kind(name: str, least: int) -> None:
    emergencies = [(text, kind) for text, kind in messages(name) if kind]
    assert len(emergencies) >= least
    assert sum(kind in _kinds(text) for text, kind in emergencies) >= 0.95 * len(emergencies)
    harmless = [text for text, kind in messages(name) if not kind]
    assert sum(bool(_kinds(text)) for text in harmless) <= 0.01 * len(harmless)


def test_somebodys_sign_beats_the_opener_and_the_past() -> None:
    alone = "my dad is not breathing"
    assert _kinds(alone) == _kinds(f"what do i do if {alone}") == {"emergency"}
    assert _kinds(f"what are the symptoms of a stroke, {alone}") == {"emergency"}
    assert _kinds("he had a stroke years ago and now he cant wake up") == {"emergency"}
    assert _kinds("What should I do if someone is not breathing?") == set()


def test_a_long_sentence_is_read_in_pieces_and_none_is_left_out() -> None:
    filler = "and then we went on with the day " * 30
    assert _kinds(f"{filler} my dad is not breathing {filler}") == {"emergency"}
    for words in range(40, 70):  # wherever a piece ends
        assert _kinds("so " * words + "my dad is still not breathing") == {"emergency"}


def test_who_is_in_haste_need_not_say_i() -> None:
    assert _kinds("coughing up cups of blood since this morning") == {"emergency"}
    assert _kinds("Coughing up blood") == set()


def test_a_gap_stands_for_words_wherever_it_is_written() -> None:
    assert _kinds("i sliced my left index finger off") == {"emergency"}
    assert not [phrase for _, phrase in rules._rules().phrases if "~" in phrase.pattern]


def test_words_are_read_as_they_were_meant() -> None:
    assert _kinds("my doughter is chocking") == _kinds("my daughter is choking") == {"emergency"}
    wrong = _RULES["spellings"].keys() & set(_RULES["spellings"].values())
    assert not wrong, "what is corrected is corrected once"


def test_every_group_of_words_is_used_and_every_rule_finds_its_groups() -> None:
    words = _RULES["words"]
    named = {"person", "urgent", "general", "present", "past", "now"}
    for phrases in words.values():
        named.update(re.findall(r"\{([a-z_]+)\}", " ".join(phrases)))
    for rule in _RULES["rules"]:
        named.update([*rule.get("all", []), *rule.get("points", {}), *rule.get("unless", [])])
    assert named == set(words)


def test_nothing_repeats_without_bound_but_words() -> None:
    """Nested or open repeats are what makes a regular expression take for ever."""
    for phrases in _RULES["words"].values():
        for phrase in phrases:
            rest = re.sub(r"\\[wd][*+]", "", phrase)
            assert not {"*", "+"} & set(rest)
            assert not re.search(r"\{\d*,\}", rest)
