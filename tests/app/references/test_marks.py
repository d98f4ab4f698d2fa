"""Marks: what stands in a text, what contradicts it, what is not found, what nobody can say.

generated_sentences.jsonl is the demo pair's own output, judged (see `benchmarks.marks`). Its
excerpts of published answers are MedQuAD's (Ben Abacha & Demner-Fushman 2019, CC BY 4.0,
https://creativecommons.org/licenses/by/4.0/), shortened.
"""

import re
from pathlib import Path
from typing import Any

import pytest

from app.references.index import References
from app.references.marks import Evidence, Marked, marked
from benchmarks import marks as measure
from benchmarks.marks import Judged

PUBLISHED = (
    "Mutations in the FGFR2 gene cause Jackson-Weiss syndrome. This condition is inherited in an "
    "autosomal dominant pattern. It affects an estimated 1 in 40,000 people. It is not known "
    "whether smoking causes the loss of hearing. Most people never lose their sight."
)
GHR = Evidence("3#1", "Jackson-Weiss syndrome", PUBLISHED, 0.9)


def _only(answer: str, *texts: Evidence) -> Marked:
    [found] = marked(answer, texts or [GHR])
    return found


@pytest.mark.parametrize(
    "answer",
    [
        "Mutations in the FGFR2 gene cause Jackson-Weiss syndrome.",
        "The mutation in FGFR2 genes causes Jackson-Weiss syndrome",
        "The condition is inherited in an autosomal dominant pattern.",
        "It affects an estimated 1 in 40,000 people.",
        "Most people never lose their sight.",
    ],
)
def test_what_stands_in_a_text_names_it_and_its_sentence(answer: str) -> None:
    found = _only(answer)
    assert (found.mark, found.why, found.text_id) == ("stands_in", None, "3#1")
    assert found.published is not None
    assert found.published in PUBLISHED


@pytest.mark.parametrize(
    ("answer", "why", "published"),
    [
        ("Mutations in the FGFR3 gene cause Jackson-Weiss syndrome.", "gene", "FGFR2"),
        ("It is an autosomal recessive disorder of the bones.", "inheritance", "dominant"),
        ("Worldwide it occurs in one in 2,000 newborns.", "number", "40,000"),
        ("It affects an estimated 3 people.", "number", "40,000"),
        ("Most people lose their sight.", "negation", "never"),
        ("This condition is not inherited in this pattern.", "inheritance", "dominant"),
    ],
)
def test_what_contradicts_a_text_says_in_what(answer: str, why: str, published: str) -> None:
    found = _only(answer)
    assert (found.mark, found.why, found.text_id) == ("contradicts", why, "3#1")
    assert published in (found.published or "")


@pytest.mark.parametrize(
    "answer",
    [
        "Smoking causes the loss of hearing.",  # the text doubts it
        "People lose their sight.",  # the text denies it
        "Drink vinegar every single day.",
        "Jackson-Weiss syndrome causes mutations in the FGFR2 gene.",
        "Mutations in the FGFR2 gene cause the loss of hearing.",  # of two sentences
    ],
)
def test_what_only_has_words_of_a_text_is_not_found(answer: str) -> None:
    assert _only(answer)[2:] == ("not_found", None, None, None)


def test_what_was_read_counts_where_the_topic_has_no_more_than_a_link() -> None:
    link = Evidence("10#1", "Type 2 diabetes", None, 0.95)
    said = "Type 2 diabetes raises the blood glucose."
    seen = Evidence("4#1", "Diabetes type 2", said, 0.94)
    assert [each.mark for each in marked(said, [link, seen])] == ["unchecked"]
    (mark,) = marked(said, [link, seen._replace(read=True)])
    assert (mark.mark, mark.text_id) == ("stands_in", "4#1")


def test_without_a_text_on_the_topic_nothing_is_checked() -> None:
    said = "Mutations in the FGFR2 gene cause Jackson-Weiss syndrome."
    assert marked(said, []) == [Marked(0, len(said), "unchecked")]
    link = Evidence("10#1", "Crouzon syndrome", None, 0.95)
    assert _only(said, link, GHR).mark == "unchecked"  # less likely, and of another topic
    assert _only(said, link, GHR._replace(probability=0.95)).mark == "stands_in"
    other = Evidence("3#2", "Crouzon syndrome", "It is a disease of the skull.", 0.95)
    assert _only(said, other, GHR).mark == "not_found"
    assert _only(said, other._replace(topic="jackson-weiss syndrome"), GHR).mark == "stands_in"
    assert _only("Of the bones.").mark == "unchecked"


def test_each_sentence_has_one_mark_in_code_points() -> None:
    answer = "😀 Vinegar cures everybody quickly.  Most people never lose their sight. Yes\n\n..."
    found = marked(answer, [GHR])
    assert [answer[each.start : each.end] for each in found] == [
        "😀 Vinegar cures everybody quickly.", "Most people never lose their sight.", "Yes",
    ]  # fmt: skip
    assert [each.mark for each in found] == ["not_found", "stands_in", "unchecked"]
    assert marked("", [GHR]) == []


@pytest.fixture(scope="module")
def judged() -> list[Judged]:
    references = References(Path("models/references"))
    return measure.with_marks(measure.read(measure.SENTENCES), references)


def test_on_generated_sentences_marks_do_not_lie(judged: list[Judged]) -> None:
    assert len(judged) >= 200
    found: Any = measure.figures("all", judged)
    assert found["stands_precision"] >= 0.95
    assert found["caught"] >= 0.8
    assert found["contradicts_precision"] >= 0.95
    assert found["stands_recall"] >= 0.85
    assert found["contradicts_recall"] >= 0.6


def test_a_true_sentence_with_a_false_fact_no_longer_stands(judged: list[Judged]) -> None:
    standing = [each for each in judged if each["mark"] == "stands_in"]
    references = References(Path("models/references"))
    changed = 0
    for each in standing:
        said = each["sentence"]
        for false in {
            re.sub(r"\b[A-Z][A-Z0-9]{2,}\b(?= gene)", "ABC9", said),
            re.sub(r"\bdominant\b", "recessive", said),
            re.sub(r"\brecessive\b", "dominant", said),
            re.sub(r"\b\d[\d,]*\b", "7", said),
            re.sub(r"\b(?:not|no|never) ", "", said),
            re.sub(r"\b(is|are|can|may)\b", r"\1 not", said, count=1),
        } - {said}:
            changed += 1
            assert measure.mark(each["question"], false, references) != "stands_in", false
    assert changed > 100
