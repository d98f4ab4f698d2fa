"""Both rooms make the same terms, and a name keeps what tells it from others."""

import pytest

from app.references.terms import Terms as AppTerms
from training.references import terms as training_terms
from training.references.topic_names import topic_name

_TEXTS = [
    "Diabetes Mellitus, Type II", "Trisomy 18", "vitamin B-12", "Hepatitis A", "factor V Leiden",
    "Ménière’s disease", "passing out", "COVID-19", "Down syndrome",
    "Niemann-Pick disease type C1", "GM1 type i",
]  # fmt: skip


@pytest.mark.parametrize("text", _TEXTS)
def test_both_rooms_agree(text: str) -> None:
    theirs = training_terms.Terms()
    ours = AppTerms(training_terms.as_data(training_terms.Rules()))
    assert ours.words(text) == theirs.words(text)
    assert ours.stems(text) == theirs.of(theirs.words(text))


def test_numbers_and_letters_are_bound_to_what_they_follow() -> None:
    terms = training_terms.Terms()
    assert terms.of(terms.words("type II diabetes")) == ["type", "type#2", "diabet"]
    assert terms.of(terms.words("Hepatitis B")) == ["hepat", "hepat#b"] or terms.of(
        terms.words("Hepatitis B")
    )[1].endswith("#b")
    assert terms.of_name(["passing", "out"]) == ["pass", "pass#out"]
    assert terms.of_name(["down", "syndrome"]) == ["down#syndrom", "syndrom"]


def test_an_everyday_word_is_an_acronym_in_capitals_alone() -> None:
    terms = training_terms.Terms()
    words = terms.words
    assert terms.of_name(["=charge", "syndrome"]) == ["=charge", "syndrom"]
    assert topic_name("KID", words) == "=kid"
    assert topic_name("KID syndrome", words) == "=kid syndrome"
    assert topic_name("Kid", words) == "kid"
    assert topic_name("ALS", words) == "als"
