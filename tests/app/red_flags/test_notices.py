"""What is flagged and what is not, by sets of messages that are kept apart.

`messages/before.jsonl` was written before any rule; `after.jsonl` is what the rules were made
with; `blind.jsonl` was written without a look at them, which have learned from it since. Rules and
classifier were tuned on the sets `_tuning`. `held_out.jsonl` and the sets `_unseen`, written
together with others but never learned from, say what to expect of messages to come. A line is a
message and its kind, null for a harmless one; `questions.txt` asks as encyclopedias do.
"""

import time
import tomllib

import pytest

from app.red_flags.notices import FILE, notices, regions
from tests.app.red_flags.rates import SETS, flagged, kinds, messages, rate

_SAID = tomllib.loads(FILE.read_text(encoding="utf-8"))
_ENGLISH = ("everyday", "indirect", "voices")


def _share(names: list[str], *, needed: bool) -> float:
    texts = [text for name in names for text, kind in messages(name) if bool(kind) is needed]
    found = flagged(texts)
    assert len(found) >= 20
    return sum(found) / len(found)


def test_a_question_about_a_stroke_is_none() -> None:
    assert kinds("What are the symptoms of a stroke?") == []
    assert kinds("my father's face is drooping and he can't speak") == ["emergency"]
    assert kinds("My father had a stroke five years ago. What should he eat?") == []


@pytest.mark.parametrize("name", ["before", "after", "blind"])
def test_emergencies_that_were_learned_are_flagged_by_their_kind(name: str) -> None:
    emergencies = [(text, kind) for text, kind in messages(name) if kind]
    assert sum(kind in kinds(text) for text, kind in emergencies) >= 0.95 * len(emergencies)


def test_harmless_messages_that_were_learned_are_not() -> None:
    assert _share(["before", "after", "blind"], needed=False) <= 0.02


def test_most_english_emergencies_that_nothing_was_made_for_are_noticed() -> None:
    unseen = [f"{name}_unseen" for name in _ENGLISH]
    assert _share(unseen, needed=True) >= 0.8
    assert _share(["held_out"], needed=True) >= 0.85


def test_most_spanish_ones_are_too() -> None:
    assert _share(["spanish_unseen"], needed=True) >= 0.65


def test_few_harmless_messages_that_nothing_was_made_for_are_flagged() -> None:
    unseen = [*(f"{name}_unseen" for name in _ENGLISH), "spanish_unseen", "held_out"]
    assert _share(unseen, needed=False) <= 0.06


def test_encyclopedic_questions_are_not() -> None:
    questions = (SETS / "questions.txt").read_text(encoding="utf-8").splitlines()
    assert len(questions) >= 30
    assert [question for question in questions if kinds(question)] == []


_OPENERS = [
    "what do i do if", "what should i do if", "what can i do when", "can you tell me what to do,",
    "is it an emergency if", "is it serious when", "how serious is it if", "do i need to worry if",
    "should i call someone if", "do you know what it means when", "tell me what to do if",
    "i want to know what to do when", "i would like to ask,", "i need information,",
    "what happens if", "how do i help when", "where can i get help if", "is it normal that",
    "could you explain why", "i have a question about my family:", "what is it when",
    "what are the signs that", "what could it be if", "how can i tell if it is urgent when",
]  # fmt: skip
_MESSAGES = [
    ("my dad is unconscious and not breathing", "emergency"),
    ("my wife's face is drooping and she can't speak", "emergency"),
    ("my son is choking and turning blue", "emergency"),
    ("my baby is limp and won't wake up", "emergency"),
    ("i can't breathe and my throat is closing up", "emergency"),
    ("my daughter swallowed bleach and is vomiting", "poisoning"),
    ("i took 40 paracetamol tablets", "overdose"),
    ("my husband beats me and says he will kill me", "abuse"),
]


@pytest.mark.parametrize("opener", _OPENERS)
def test_no_opener_silences_an_emergency(opener: str) -> None:
    assert len(set(_OPENERS)) == 24
    for message, kind in _MESSAGES:
        assert kind in kinds(message)
        assert kind in kinds(f"{opener} {message}"), f"{opener} {message}"


@pytest.mark.parametrize("region", regions())
def test_every_region_has_a_contact_for_every_kind(region: str) -> None:
    every = set(_SAID["texts"])
    assert set(_SAID["contacts"][region]) == set(_SAID["spanish"]) == every
    text = "I want to kill myself, I took 40 pills and drank bleach, he beats me, I can't breathe"
    found = notices(text, region)
    assert {notice.kind for notice in found} == every
    assert all(notice.contact and notice.text for notice in found)
    emergency = _SAID["contacts"][region]["emergency"]
    assert all(emergency in notice.contact for notice in found if notice.contact[0].isdigit())


def test_who_writes_spanish_is_told_in_spanish_first() -> None:
    (spanish,) = notices("mi papá no respira y está morado", "US")
    assert spanish.text.startswith(_SAID["spanish"]["emergency"])
    (english,) = notices("my mama can't breathe", "US")
    assert spanish.text.endswith(english.text)
    assert english.text == _SAID["texts"]["emergency"]


def test_spelling_and_punctuation_make_no_difference() -> None:
    for text in ("I can’t breathe!!", "i cant breathe", "I CAN'T BREATHE...", "I\ncan't\tbreathe"):
        assert kinds(text) == ["emergency"]


def test_rates_are_told_with_wilsons_interval() -> None:
    assert rate([True] * 17 + [False] * 3) == "17 of 20 (85%, 64-95%)"
    assert rate([False] * 20) == "0 of 20 (0%, 0-16%)"


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
