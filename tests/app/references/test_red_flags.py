"""What is flagged and what is not: messages written before the rules, and others, kept apart.

`red_flags/before.jsonl` was written before any rule; `after.jsonl` is what the rules were made
with. `blind.jsonl` was written afterwards without a look at the rules, which then flagged 34 of its
40 emergencies and 2 of its 40 harmless messages; they have learned from it since. `held_out.jsonl`,
written together with it, is never learned from: it says what to expect of messages to come. A line
is a first-person message and its kind, null for a harmless one; `questions.txt` asks as
encyclopedias do.
"""

import json
import re
import time
import tomllib
from pathlib import Path

import pytest

from app.references import red_flags
from app.references.red_flags import Kind, notices, regions

_FILES = Path(__file__).parent / "red_flags"
_RULES = tomllib.loads(Path(red_flags.__file__).with_suffix(".toml").read_text(encoding="utf-8"))


def _messages(name: str) -> list[tuple[str, Kind | None]]:
    lines = (_FILES / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()
    return [(line["text"], line["kind"]) for line in map(json.loads, lines)]


def _kinds(text: str) -> list[str]:
    return [notice.kind for notice in notices(text, "US")]


def test_a_question_about_a_stroke_is_none() -> None:
    assert _kinds("What are the symptoms of a stroke?") == []
    assert _kinds("my father's face is drooping and he can't speak") == ["emergency"]
    assert _kinds("My father had a stroke five years ago. What should he eat?") == []


@pytest.mark.parametrize(("name", "least"), [("before", 75), ("after", 75), ("blind", 40)])
def test_emergencies_are_flagged_by_their_kind(name: str, least: int) -> None:
    emergencies = [(text, kind) for text, kind in _messages(name) if kind]
    assert len(emergencies) >= least
    flagged = [text for text, _ in emergencies if _kinds(text)]
    assert len(flagged) >= 0.95 * len(emergencies)
    assert sum(kind in _kinds(text) for text, kind in emergencies) >= 0.95 * len(emergencies)


def test_harmless_messages_are_not() -> None:
    names = ("before", "after", "blind")
    harmless = [text for name in names for text, kind in _messages(name) if not kind]
    assert len(harmless) >= 150
    assert sum(bool(_kinds(text)) for text in harmless) <= 0.02 * len(harmless)


def test_what_to_expect_of_messages_that_no_rule_was_made_for() -> None:
    """Measured: 31 of 40 emergencies, 2 of 40 harmless messages."""
    held_out = _messages("held_out")
    flagged = [bool(kind) for text, kind in held_out if _kinds(text)]
    assert sum(flagged) >= 0.75 * sum(bool(kind) for _, kind in held_out)
    assert len(flagged) - sum(flagged) <= 0.05 * sum(kind is None for _, kind in held_out)


def test_encyclopedic_questions_are_not() -> None:
    questions = (_FILES / "questions.txt").read_text(encoding="utf-8").splitlines()
    assert len(questions) >= 30
    assert [question for question in questions if _kinds(question)] == []


@pytest.mark.parametrize("region", regions())
def test_every_region_has_a_contact_for_every_kind(region: str) -> None:
    kinds = set(_RULES["texts"])
    assert set(_RULES["contacts"][region]) == kinds
    text = "I want to kill myself, I took 40 pills and drank bleach, he beats me, I can't breathe"
    found = notices(text, region)
    assert {notice.kind for notice in found} == kinds
    assert all(notice.contact and notice.text for notice in found)
    emergency = _RULES["contacts"][region]["emergency"]
    assert all(emergency in notice.contact for notice in found if notice.contact[0].isdigit())


def test_spelling_and_punctuation_make_no_difference() -> None:
    for text in ("I can’t breathe!!", "i cant breathe", "I CAN'T BREATHE...", "I\ncan't\tbreathe"):
        assert _kinds(text) == ["emergency"]


def test_who_is_in_haste_need_not_say_i() -> None:
    assert _kinds("coughing up cups of blood since this morning") == ["emergency"]
    assert _kinds("Coughing up blood") == []


def test_a_gap_stands_for_words_wherever_it_is_written() -> None:
    assert _kinds("i sliced my left index finger off") == ["emergency"]
    assert not [group for group in red_flags._rules().groups.values() if "~" in group.pattern]


def test_words_are_read_as_they_were_meant() -> None:
    assert _kinds("my doughter is chocking") == _kinds("my daughter is choking") == ["emergency"]
    wrong = _RULES["spellings"].keys() & set(_RULES["spellings"].values())
    assert not wrong, "what is corrected is corrected once"


def test_every_group_of_words_is_used_and_every_rule_finds_its_groups() -> None:
    words = _RULES["words"]
    named = {"person", "urgent", "general", "past", "now"}
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


_REPEATED = [
    "my ", "i ", "cut my ", "not ", "he took a ", "in my ", "a", "my.\n", "can't ", "blood ",
    "my husband took all my pills and can't breathe he is not ", "\N{COMBINING ACUTE ACCENT}",
]  # fmt: skip


@pytest.mark.parametrize("piece", _REPEATED)
def test_time_grows_no_faster_than_the_text(piece: str) -> None:
    def seconds(characters: int) -> float:
        text = (piece * characters)[:characters]
        return min(_seconds(text) for _ in range(3))

    # Ten times the text: quadratic matching would take a hundred times as long.
    assert seconds(40_000) < 40 * (seconds(4_000) + 0.001)


def _seconds(text: str) -> float:
    started = time.process_time()
    notices(text, "US")
    return time.process_time() - started
