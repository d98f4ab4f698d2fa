"""What a sentence says: its words in one form, and the facts that stand out."""

import pytest

from app.references.claims import claim, sentences

TEXT = "Asthma is a disease. 😀 It affects 1 in 5.5 people!  Dr. x says\n- so (often).\n...\nYes"


def test_sentences_count_code_points_and_leave_spaces_and_dots_out() -> None:
    assert [TEXT[start:end] for start, end in sentences(TEXT)] == [
        "Asthma is a disease.",
        "😀 It affects 1 in 5.5 people!",
        "Dr. x says",
        "- so (often).",
        "Yes",
    ]
    assert not list(sentences(" .\n\n?! "))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("The parents ARE carriers.", "Parents, which are the carrier"),
        ("Sjögren’s syndrome", "sjogrens syndrome"),
        ("about 10,000 people", "about 10000 people"),
        ("It isn't inherited.", "not inherited"),
    ],
)
def test_the_same_words_in_another_form_are_the_same(one: str, other: str) -> None:
    assert claim(one).words == claim(other).words


def test_facts_that_stand_out() -> None:
    said = claim("Mutations in the APTX and SETX genes cause 1 in 40,000 cases of AOA type II.")
    assert said.genes == {"APTX", "SETX"}
    assert said.symbols == {"APTX", "SETX", "AOA"}
    assert said.rates == {"40000"}
    assert said.numbers == {"1", "40000"}
    assert claim("the gene called TP53").genes == {"TP53"}
    assert not claim("DNA and RNA genes").genes
    patterns = claim("X-linked recessive, or autosomal dominant; rarely sporadic").patterns
    assert patterns == {"x recessive", "autosomal dominant", "not inherited"}
    assert claim("It is not known, nor understood.").negations == {"not", "nor"}
    assert claim("This disease is not rare in 2 people.").telling == ("diseas", "peopl")
