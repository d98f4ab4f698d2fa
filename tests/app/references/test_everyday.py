"""The committed index and what people write: nothing absurd comes first.

`everyday.jsonl` was written before the rules of the search: a message, and what a first reference
about it must speak of (null: nothing published fits). Its first run, with the rules of before, had
39 of 60 right. `also` was added after reading what was found: no nurse would laugh at it.
`everyday_held_out.jsonl` was written at the same time and run once at the end: 27 of 30 had no
first reference to laugh at. `everyday_blind.jsonl` was written later, before the search was tuned
again, and run once when that was done: 53 of 60, by reading each (`first_run`). Kinds of mistakes
in both were mended afterwards. `everyday_second_blind.jsonl` is the same a round later: 58 of 60,
of which nothing was found for 18, 14 of them on health. `everyday_more.jsonl` was written with what
fits before it was searched for, to fit the probability on: what fits is useful, not merely no joke.
"""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.model_sources import REFERENCES
from app.references.calibration import floor
from app.references.index import References

_HERE = Path(__file__).parent


@pytest.fixture(scope="module")
def references() -> References:
    return References(REFERENCES)


def _first(references: References, name: str) -> Iterator[tuple[str, str, str]]:
    """Yield messages, what fits them, and what was found first."""
    lines = (_HERE / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()
    for line in map(json.loads, lines):
        found = references.search(line["message"], 1)
        fits = "|".join(filter(None, (line["fits"], line.get("also"))))
        yield line["message"], fits, f"{found[0].focus} | {found[0].question}" if found else ""


@pytest.mark.parametrize(
    ("name", "most"),
    [
        ("everyday", 1),
        ("everyday_held_out", 1),
        ("everyday_blind", 3),
        ("everyday_second_blind", 2),
        ("everyday_more", 12),
    ],
)
def test_what_is_found_first_fits(references: References, name: str, most: int) -> None:
    wrong = [
        (message, first)
        for message, fits, first in _first(references, name)
        if first and not (fits and re.search(fits, first, re.IGNORECASE))
    ]
    assert len(wrong) <= most, wrong


def test_what_can_be_found_mostly_is(references: References) -> None:
    """So that nothing is made right by finding nothing."""
    names = ["everyday", "everyday_held_out", "everyday_blind", "everyday_second_blind"]
    found = [bool(first) for name in names for _, fits, first in _first(references, name) if fits]
    assert sum(found) >= 0.7 * len(found), f"{sum(found)} of {len(found)}"


@pytest.mark.parametrize(
    ("message", "focus"),
    [
        ("outlook for Type 2 diabetes", r"type 2|^diabetes$"),
        ("trisomy 18", r"trisomy 18"),
        ("down syndrome", r"^down syndrome$"),
        ("baby hasnt pooped in 3 days", None),  # antithrombin 3
        ("my 5 yr old still wets the bed", None),  # 5-HTP
        ("COVID-19", None),
        ("my kid swallowed a penny", r"foreign object"),
        ("hit by a car", None),
        ("can i go to work with a cold", r"common cold"),
        ("passing a kidney stone", r"kidney stone"),
        ("What causes Neurofibromatosis type 1?", r"neurofibromatosis(-| type )1"),
        ("Is 3MC syndrome inherited?", r"3mc syndrome"),
        ("Is Williams syndrome inherited?", r"williams syndrome"),
        ("What are the genetic changes related to Silver syndrome?", r"silver syndrome"),
        ("is CHARGE syndrome inherited", r"^charge syndrome$"),
        ("How many people are affected by CHOPS syndrome?", r"^chops syndrome$"),
        ("chopping onions", None),
        ("i keep getting those nasty cold sores", r"cold sores"),
        ("how long till prozac works", r"fluoxetine"),
        ("bed bugs!! what do i do", r"bedbugs"),
        ("mi hijo tiene fiebre y tos", None),
        ("Which gene causes 5q minus syndrome?", r"5q minus syndrome"),
    ],
)
def test_what_was_absurd_once(references: References, message: str, focus: str | None) -> None:
    found = references.search(message, 1)
    assert bool(found) == bool(focus)
    assert not focus or re.search(focus, found[0].focus, re.IGNORECASE)


@pytest.mark.parametrize(
    "message",
    ["GO gene", "what is ALS", "KID syndrome", "my aunt has HIT after heparin", "type II diabetes"],
)
def test_acronyms_in_capitals_and_roman_numbers_still_find_their_topic(
    references: References, message: str
) -> None:
    assert references.search(message, 1)


@pytest.mark.parametrize(
    ("message", "focus"),
    [
        (
            "What are the genetic changes related to juvenile Paget disease?",
            "juvenile Paget disease",
        ),
        ("Is polymicrogyria inherited?", "polymicrogyria"),
        (
            "Is familial hemophagocytic lymphohistiocytosis inherited?",
            "familial hemophagocytic lymph",
        ),
    ],
)
def test_a_topic_is_found_before_those_that_share_its_name(
    references: References, message: str, focus: str
) -> None:
    assert references.search(message, 1)[0].focus.startswith(focus)


def test_another_number_is_another_disease(references: References) -> None:
    found = references.search("What causes spinocerebellar ataxia type 99?", 10)
    assert not any(re.search(r"ataxia (type )?\d", each.focus) for each in found)
    types = references.search("symptoms of spinocerebellar ataxia type 2", 3)
    assert {each.focus.lower() for each in types} <= {
        "spinocerebellar ataxia 2",
        "spinocerebellar ataxia type 2",
    }
    assert references.search("diabetes 10 years now, my feet are numb", 1), "10 years is no type"


@pytest.mark.parametrize(
    "message",
    [
        "Is cystic fibrosis of the extraocular nails inherited?",  # congenital … of the … muscles
        "i took 10 mg of oxybutynin, how often can i",  # MG is myasthenia gravis
        "does simvastatin go in the evening",  # its text is a link: no other medicine's is read
    ],
)
def test_nothing_is_read_of_what_was_not_named(references: References, message: str) -> None:
    titles = [each.title.lower() for each in references.passages(message, 3)]
    assert not any(
        "muscle" in title or "gravis" in title or "medicine" in title for title in titles
    )


def test_one_of_three_can_be_read_where_a_good_one_can(references: References) -> None:
    for message in ("leg pain causes", "aortic stenosis", "abdominal pain", "hepatitis causes"):
        found = references.search(message, 10)
        if any(each.answer for each in found):
            assert any(each.answer for each in found[:3]), message
        assert [each.score for each in found] == sorted((e.score for e in found), reverse=True)


def test_nothing_below_the_floor_is_read_nor_a_heading(references: References) -> None:
    found = references.passages("Is oculopharyngeal muscular dystrophy inherited?", 5)
    assert "autosomal dominant" in found[0].text
    assert all(each.probability >= floor() for each in found)
    first = references.search("Is Williams syndrome inherited?", 1)[0]
    assert first.answer
    assert not first.answer.endswith("?")


def test_passages_are_chosen_by_the_question(references: References) -> None:
    found = references.passages("How is Marfan syndrome inherited?", 3)
    assert "Marfan" in found[0].title
    assert "dominant" in found[0].text
    assert all(len(each.text) <= 1_000 and each.url and each.licence for each in found)
    assert len({each.text for each in found}) == len(found)
    assert references.passages("who won the world cup", 3) == []


def test_a_message_of_misspellings_costs_a_bounded_number_of_corrections(
    references: References, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    correct = references.spelling.correct

    def counting(word: str) -> str | None:
        asked.append(word)
        return correct(word)

    monkeypatch.setattr(references.spelling, "correct", counting)
    references.search(
        " ".join(f"hydrocefal{chr(97 + n % 26)}{chr(97 + n // 26)}" for n in range(300)), 3
    )
    assert 0 < len(asked) <= 24
