"""Whom an evaluation asks what: distinct questions with all their answers, the same every time."""

from pathlib import Path

import pandas as pd
import pytest

from tests.training.conftest import PAIRS, write_table
from training.errors import DataError
from training.evaluation.questions import drawn, present, questions, read_table, training_rows


@pytest.fixture
def table(data: Path) -> pd.DataFrame:
    return read_table(data)


def row(question: str, answer: str, **fields: str) -> dict[str, str]:
    return {
        "QuestionClean": question,
        "AnswerClean": answer,
        "QuestionType": "information",
        "Source": "NIH",
        "Keep": "1",
        "GroupId": "g1",
        "Split": "test_unseen",
        "SeedRow": "",
    } | fields


def test_answers_to_one_question_are_its_references() -> None:
    table = pd.DataFrame(
        [
            row("What is asthma?", "A disease."),
            row("what is ASTHMA", "Of the airways."),
            row("What is asthma?", "A disease."),
            row("What is a stroke?", "Of the brain."),
        ]
    )
    split = questions(table, "test_unseen", table["Split"] == "train")
    assert len(split.rows) == 4
    references = {len(asked.references): set(asked.references) for asked in split.asked}
    assert references == {2: {"A disease.", "Of the airways."}, 1: {"Of the brain."}}


def test_a_limit_takes_the_same_rows_in_whatever_order_they_come(table: pd.DataFrame) -> None:
    trained = training_rows(table, "train")
    backwards = table.iloc[::-1]
    some = questions(table, "test_unseen", trained, 2)
    assert len(some.rows) == 2
    assert questions(backwards, "test_unseen", trained, 2).asked == some.asked
    assert set(some.asked) < set(questions(table, "test_unseen", trained).asked)


def test_random_rows_come_from_all_splits_and_say_how_much_was_trained_on(
    table: pd.DataFrame,
) -> None:
    split = questions(table, "random", training_rows(table, "train"))
    assert len(split.rows) == len(table)
    assert split.trained_share == 0.25
    assert len(split.asked) == len(PAIRS)


def test_held_out_splits_were_not_trained_on(table: pd.DataFrame) -> None:
    assert questions(table, "test_unseen", training_rows(table, "train")).trained_share == 0


def test_each_recipe_has_its_training_rows(tmp_path: Path) -> None:
    table = read_table(write_table(tmp_path / "data", {"train": PAIRS, "valid_seen": PAIRS}))
    table.loc[0, "SeedRow"] = ""
    assert training_rows(table, "train").sum() == len(PAIRS)
    assert training_rows(table, "seed").sum() == len(PAIRS) - 1


def test_questions_drawn_do_not_depend_on_their_number(table: pd.DataFrame) -> None:
    asked = questions(table, "test_unseen", training_rows(table, "train")).asked
    assert set(drawn(asked, 2)) < set(drawn(asked, 3))
    assert drawn(asked, 99) == list(range(len(asked)))


def test_wrong_tables_are_named(data: Path, table: pd.DataFrame) -> None:
    path = data / "medquad.csv"
    with pytest.raises(DataError, match="no rows of the split test_seen"):
        questions(table, "test_seen", training_rows(table, "train"))
    with pytest.raises(DataError, match="no split 'test'"):
        questions(table, "test", training_rows(table, "train"))
    path.write_text(path.read_text().replace("GroupId", "Group").replace("Source", "From"))
    with pytest.raises(DataError, match="lacks the columns Source, GroupId"):
        read_table(data)
    path.write_text('"QuestionClean,\nno end')
    with pytest.raises(DataError, match=r"medquad\.csv: not a readable CSV"):
        read_table(data)


def test_splits_without_rows_are_not_asked(table: pd.DataFrame) -> None:
    assert present(table) == ["test_unseen", "valid_unseen", "valid_seen", "random"]
