"""What a model learns to read from: the kinds of row, and that the answer stands in the passage."""

import re
from collections import Counter
from typing import Any

import pytest

from training.errors import DataError
from training.prompt import NOT_FOUND
from training.reading.mixture import Drawing, Published, Reading, fitting, phrasings
from training.recipe import Mixture

TOPICS = ("Asthma", "Scurvy", "Gout", "Measles (rubeola)", "Anemia", "Rickets")


def published(topic: str, number: int = 0, **changes: str) -> Published:
    answer = " ".join(
        f"{topic} has sign {each} of {topic.lower()}, as told {number} times." for each in range(6)
    )
    row = Published(f"What is (are) {topic} {number} ?", answer, topic, topic, "information", "X")
    return row._replace(**changes)


ROWS = [published(topic, number) for topic in TOPICS for number in range(3)]
GENES = [
    published(
        topic,
        9,
        answer=f"Mutations in the {gene} gene cause it. The {gene} gene makes a protein.",
        type="genetic changes",
        source="GHR",
    )
    for topic, gene in zip(TOPICS, ("ABC1", "DEF2", "GHI3", "KLM4", "NOP5", "RST6"), strict=True)
]


def words(text: str) -> int:
    return len(text.split())


def mixture(**changes: Any) -> Mixture:
    plan: dict[str, Any] = {
        "shares": {"with_passage": 1.0},
        "passage_tokens": 50,
        "target_tokens": 20,
        "published_wording": 1.0,
        "lower_case": 0.0,
        "later_windows": 0.0,
        "other_genes": 0.0,
    }
    return Mixture.model_validate(plan | changes)


def drawn(
    number: int, rows: list[Published] | None = None, seed: int = 1, **changes: Any
) -> list[Reading]:
    return Drawing(rows or ROWS, mixture(**changes), words, seed).draw(number)


def test_kinds_come_as_often_as_the_recipe_says() -> None:
    shares = {"without_passage": 2.0, "with_passage": 5.0, "none_found": 1.0}
    kinds = Counter(
        "without" if not each.passages else "with" if each.passages[0] else "none"
        for each in drawn(4000, shares=shares)
    )
    assert kinds["without"] / 4000 == pytest.approx(0.25, abs=0.03)
    assert kinds["with"] / 4000 == pytest.approx(0.625, abs=0.03)
    assert kinds["none"] / 4000 == pytest.approx(0.125, abs=0.03)


def test_without_a_passage_a_row_is_as_published() -> None:
    found = drawn(len(ROWS), shares={"without_passage": 1.0}, published_wording=0.0)
    assert {(each.question, each.answer) for each in found} == {
        (row.question, row.answer) for row in ROWS
    }
    assert {each.passages for each in found} == {()}


def test_where_nothing_is_found_the_answer_says_so() -> None:
    for each in drawn(20, shares={"none_found": 1.0}):
        assert (each.passages, each.answer) == (("",), NOT_FOUND)


def test_the_answer_is_whole_first_sentences_of_a_passage_on_the_topic_asked() -> None:
    answers = {row.question: row for row in ROWS}
    lengths = set()
    for each in drawn(200):
        row = answers[each.question]
        (text,) = each.passages
        opening = f"About {row.topic}: "
        assert text.startswith(opening)
        read = text.removeprefix(opening)
        assert row.answer.startswith(read)
        assert read.startswith(each.answer)
        for part in (read, each.answer):
            assert part.endswith("times.")
        assert words(each.answer) <= 20
        lengths.add(words(read))
    assert max(lengths) <= 50
    assert len(lengths) > 1, "passages are of several lengths"


def test_passages_may_begin_further_on_and_the_answer_with_them() -> None:
    answers = {row.question: row.answer for row in ROWS}
    for each in drawn(50, later_windows=1.0):
        read = each.passages[0].partition(": ")[2]
        assert read in answers[each.question]
        assert not answers[each.question].startswith(read)
        assert read.startswith(each.answer)


def test_every_row_comes_once_before_any_comes_again() -> None:
    asked = [each.question for each in drawn(2 * len(ROWS))]
    once = {row.question for row in ROWS}
    assert set(asked[: len(ROWS)]) == set(asked[len(ROWS) :]) == once


def test_facts_come_as_often_as_they_weigh() -> None:
    other = published("Gout", 7, type="genetic changes")  # not of GHR: it weighs as any
    rows = [*ROWS, *GENES, other]
    turn = len(ROWS) + 3 * len(GENES) + 1
    found = Counter(each.question for each in drawn(turn, rows=rows, fact_weight=3.0))
    assert {found[row.question] for row in GENES} == {3}
    assert {found[row.question] for row in [*ROWS, other]} == {1}


def test_exchanged_genes_are_the_same_in_passage_and_answer() -> None:
    genes = {row.topic: re.findall(r"the (\w+) gene", row.answer)[0] for row in GENES}
    exchanged = 0
    for each in drawn(100, rows=GENES, other_genes=1.0, target_tokens=50):
        topic = each.passages[0].removeprefix("About ").partition(": ")[0]
        read = set(re.findall(r"[Tt]he (\w+) gene", each.passages[0]))
        assert len(read) == 1
        assert set(re.findall(r"[Tt]he (\w+) gene", each.answer)) == read
        exchanged += read != {genes[topic]}
    assert exchanged > 80
    kept = drawn(20, rows=GENES)
    assert all(
        genes[each.passages[0].removeprefix("About ").partition(": ")[0]] in each.answer
        for each in kept
    )


def test_lay_questions_name_the_topic_with_and_without_what_stands_in_brackets() -> None:
    row = published("Measles (rubeola)")
    asked = {each.question for each in drawn(200, rows=[row], published_wording=0.0)}
    assert row.question not in asked
    assert all("Measles" in each for each in asked)
    assert any("rubeola" in each for each in asked)
    assert any("rubeola" not in each for each in asked)
    lower = drawn(50, rows=[row], published_wording=0.0, lower_case=1.0)
    assert all(each.question == each.question.lower() for each in lower)
    unknown = published("Gout", type="a type of its own")
    assert drawn(1, rows=[unknown], published_wording=0.0)[0].question == unknown.question


def test_every_phrasing_asks_for_its_topic() -> None:
    assert len(phrasings()) >= 8
    for known in phrasings().values():
        assert len(set(known)) == len(known)
        for each in known:
            assert each.format(x="\0").count("\0") == 1, each


def test_one_seed_draws_one_mixture() -> None:
    plan: dict[str, Any] = {
        "shares": {"without_passage": 1.0, "with_passage": 1.0, "none_found": 1.0},
        "published_wording": 0.5,
        "lower_case": 0.5,
        "later_windows": 0.5,
        "other_genes": 0.5,
    }
    rows = [*ROWS, *GENES]
    assert drawn(60, rows=rows, **plan) == drawn(60, rows=rows, **plan)
    assert drawn(60, rows=rows, **plan) != drawn(60, rows=rows, seed=2, **plan)


def test_rows_without_a_topic_are_never_read() -> None:
    rows = [published("Gout"), published("", 1)]
    assert {each.question for each in drawn(20, rows=rows)} == {rows[0].question}
    both = drawn(20, rows=rows, shares={"without_passage": 1.0})
    assert {each.question for each in both} == {row.question for row in rows}
    with pytest.raises(DataError, match="has a topic"):
        drawn(1, rows=rows[1:])


def test_answers_of_which_no_sentence_fits_are_told_rather_than_sought_for_ever() -> None:
    endless = published("Gout", answer="word " * 200)
    with pytest.raises(DataError, match="a sentence of at most 20 tokens"):
        drawn(1, rows=[endless])
    short = published("Scurvy", 1)
    assert {each.question for each in drawn(9, rows=[endless, short])} == {short.question}


@pytest.mark.parametrize(
    ("limit", "kept"),
    [
        (9, ["One two three.", "Four five six seven.", "Eight nine."]),
        (8, ["One two three.", "Four five six seven."]),
        (3, ["One two three."]),
        (2, []),
    ],
)
def test_as_many_first_sentences_as_fit(limit: int, kept: list[str]) -> None:
    parts = ["One two three.", "Four five six seven.", "Eight nine."]
    assert fitting(parts, limit, words) == kept


def test_a_long_list_ends_at_a_comma_with_an_ellipsis() -> None:
    parts = ["Signs are fever, a red rash, a dry cough, and tired eyes.", "It passes."]
    assert fitting(parts, 11, words) == ["Signs are fever, a red rash …"]
    assert fitting(parts, 7, words) == ["Signs are fever …"]
    assert fitting(parts, 4, words) == []
    assert fitting([], 4, words) == []
    again = fitting(["Signs are fever, a very red rash …"], 7, words)
    assert again == ["Signs are fever …"], "one ellipsis, not two"
