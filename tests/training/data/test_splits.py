"""Nothing that is tested on was trained on, by checks that share no code with the splits."""

import json
import random
import re
from collections import Counter, defaultdict
from collections.abc import Iterable
from pathlib import Path

import pandas as pd
import pytest

from training.data.cleaning import clean
from training.data.medquad import NOTEBOOK_COLUMNS, PROVENANCE_COLUMNS, read_table
from training.data.splits import split, top_foci

COMMON, RARE = 100, 250
TESTS = ["test_seen", "test_unseen", "valid_unseen"]


def made_up() -> pd.DataFrame:
    """A small MedQuAD with every kind of leak: 100 foci of 8 rows, 250 of 2, and copies."""
    randomness = random.Random(5)
    vocabulary = ["".join(randomness.choices("aeioulmnrst", k=7)) for _ in range(900)]
    foci = [(f"Common {n}", 8) for n in range(COMMON)] + [(f"Rare {n}", 2) for n in range(RARE)]
    rows = [
        dict.fromkeys(NOTEBOOK_COLUMNS + PROVENANCE_COLUMNS, "")
        | {
            "Focus": focus,
            "Question": f"what is (are) {randomness.choice(vocabulary)} {place} of {focus} ?",
            "Answer": " ".join(randomness.choices(vocabulary, k=randomness.randint(1, 40))) + ".",
            "Source": "NIDDK",
            "Collection": "5_NIDDK_QA",
            "File": f"{number:07}.xml",
            "QuestionId": f"{number}-{place}",
            "AllCUIs": f"C{number}",
        }
        for number, (focus, count) in enumerate(foci)
        for place in range(count)
    ]
    _plant_leaks(rows, randomness)
    return pd.DataFrame(rows)


def _plant_leaks(rows: list[dict[str, str]], randomness: random.Random) -> None:
    rare = [row for row in rows if row["Focus"].startswith("Rare")]
    for _ in range(40):
        one, other = randomness.choice(rare), randomness.choice(rows)
        one["Question"] = other["Question"].upper().replace(" OF", ", OF")
        one, other = randomness.choice(rare), randomness.choice(rows)
        one["Answer"] = other["Answer"].replace(".", "!")
        one, other = randomness.choice(rare), randomness.choice(rows)
        one["Answer"] = f"also {other['Answer']}"
        one, other = randomness.choice(rare), randomness.choice(rare)
        one["AllCUIs"] = f"{one['AllCUIs']}|{other['AllCUIs'].split('|')[-1]}"
        one, other = randomness.choice(rare), randomness.choice(rare)
        one["Synonyms"] = f"none|{other['Focus'].lower()}"
        one, other = randomness.choice(rare), randomness.choice(rare)
        one["Focus"] = other["Focus"].upper()
    for row in randomness.sample(rows, 30):
        row["Answer"] = "Ask your doctor whether this is for you, and bring a list of questions."
    for row in randomness.sample(rows, 30):
        row["Answer"] = ""


def words(text: str) -> str:
    return re.sub(r"\W+", " ", text.lower()).strip()


def grams(text: str) -> set[tuple[str, ...]]:
    listed = words(text).split()
    return set(zip(*(listed[start:] for start in range(4)), strict=False)) or {tuple(listed)}


def near_copies(tested: Iterable[str], trained: Iterable[str]) -> list[tuple[str, str]]:
    """Pairs of answers whose word 4-grams have a Jaccard index of 4/5 or more."""
    answers = sorted(set(tested))
    sizes = [len(grams(answer)) for answer in answers]
    holders: dict[tuple[str, ...], list[int]] = defaultdict(list)
    for number, answer in enumerate(answers):
        for gram in grams(answer):
            holders[gram].append(number)
    found = []
    for answer in set(trained):
        own = grams(answer)
        shared = Counter(number for gram in own for number in holders.get(gram, ()))
        found += [
            (answers[number], answer)
            for number, count in shared.items()
            if 5 * count >= 4 * (len(own) + sizes[number] - count)
        ]
    return found


def distinct(table: pd.DataFrame, splits: list[str], column: str) -> set[str]:
    return set(table.loc[table["Split"].isin(splits), column].map(words))


def topics_across(table: pd.DataFrame) -> set[str]:
    """Names and shared CUIs under which both trained and unseen documents go."""
    kept = table[table["Keep"] == "1"]
    foci, sides = defaultdict(set), defaultdict(set)
    known = set(kept["FocusFixed"].map(words))
    for focus, synonyms, cuis, side in zip(
        kept["FocusFixed"], kept["Synonyms"], kept["AllCUIs"], kept["Split"], strict=True
    ):
        names = {words(focus)} | {words(name) for name in synonyms.split("|")} & known
        for name in names | {cui for cui in cuis.split("|") if cui}:
            foci[name].add(words(focus))
            sides[name].add(side)
    return {
        name
        for name, found in sides.items()
        if name and "train" in found and found & {"test_unseen", "valid_unseen"}
        if name in known or len(foci[name]) <= 3
    }


@pytest.fixture(scope="module")
def small() -> pd.DataFrame:
    return split(clean(made_up()))


@pytest.fixture(scope="module")
def real(medquad: tuple[pd.DataFrame, str]) -> pd.DataFrame:
    return split(clean(medquad[0]))


@pytest.fixture(params=["small", pytest.param("real", marks=pytest.mark.long)])
def table(request: pytest.FixtureRequest) -> pd.DataFrame:
    """Each test runs on the made-up table, and on MedQuAD where it is at hand."""
    found: pd.DataFrame = request.getfixturevalue(request.param)
    return found


def test_no_tested_question_was_trained_on(table: pd.DataFrame) -> None:
    assert not distinct(table, TESTS, "QuestionClean") & distinct(table, ["train"], "QuestionClean")


def test_no_tested_answer_nor_a_near_copy_was_trained_on(table: pd.DataFrame) -> None:
    trained = table.loc[table["Split"] == "train", "AnswerClean"]
    tested = table.loc[table["Split"].isin([*TESTS, "valid_seen"]), "AnswerClean"]
    assert not set(trained) & set(tested)
    assert not near_copies(tested, trained)


def test_no_unseen_topic_was_trained_on(table: pd.DataFrame) -> None:
    unseen = ["test_unseen", "valid_unseen"]
    for column in ("FocusFixed", "GroupId"):
        assert distinct(table, unseen, column)
        assert not distinct(table, unseen, column) & distinct(table, ["train"], column)
    assert not topics_across(table)


def test_generic_answers_are_trained_on_or_left_aside(table: pd.DataFrame) -> None:
    generic = table[table["Generic"] == "1"]
    assert set(generic["Split"]) <= {"train", "heldout"}
    foci: dict[str, set[str]] = defaultdict(set)
    kept = table[table["Keep"] == "1"]
    for focus, answer in zip(kept["FocusFixed"], kept["AnswerClean"], strict=True):
        foci[answer].add(words(focus))
    widespread = {answer for answer, found in foci.items() if len(found) >= 5}
    assert widespread
    assert widespread <= set(generic["AnswerClean"])


def test_every_row_fit_to_learn_from_has_one_place(table: pd.DataFrame) -> None:
    places = {"train", "heldout", "test_seen", "test_unseen", "valid_seen", "valid_unseen"}
    assert set(table.loc[table["Keep"] == "1", "Split"]) == places
    assert set(table.loc[table["Keep"] == "0", "Split"]) == {"drop"}


def test_the_notebooks_rows_are_four_and_one_of_each_top_focus(table: pd.DataFrame) -> None:
    top = set(top_foci(table))
    assert len(top) == 100
    by_row = {name: rows["FocusFixed"] for name, rows in table.groupby("SeedRow")}
    assert Counter(by_row["train"]) == dict.fromkeys(top, 4)
    assert Counter(by_row["valid"]) == dict.fromkeys(top, 1)
    test_seen = table[table["Split"] == "test_seen"]
    assert Counter(test_seen["FocusFixed"]) == dict.fromkeys(top, 1)
    assert set(table.loc[table["SeedRow"] == "train", "Split"]) == {"train"}
    assert set(table.loc[table["SeedRow"] == "valid", "Split"]) == {"valid_seen"}


def test_validation_on_seen_topics_shares_two_questions_at_most(table: pd.DataFrame) -> None:
    trained = distinct(table, ["train"], "QuestionClean")
    shared = distinct(table, ["valid_seen"], "QuestionClean") & trained
    assert len(shared) <= 2  # two foci of the real table have but two questions


@pytest.mark.parametrize("reset", [True, False])
def test_row_order_changes_nothing(small: pd.DataFrame, reset: bool) -> None:
    cleaned = clean(made_up())
    shuffled = split(cleaned.sample(frac=1, random_state=3, ignore_index=reset))
    keys, decided = ["File", "QuestionId"], ["Generic", "GroupId", "Split", "SeedRow"]
    pd.testing.assert_frame_equal(
        shuffled.set_index(keys)[decided].sort_index(), small.set_index(keys)[decided].sort_index()
    )


def test_a_csvs_shared_cui_joins_topics(tmp_path: Path) -> None:
    table = made_up()
    rare = table["Focus"].str.startswith("Rare")
    # Rare topics in pairs that only a CUI joins.
    numbers = table.loc[rare, "Focus"].str.extract(r"(\d+)")[0].astype(int)
    table.loc[rare, "CUI"] = [f"C{number // 2}" for number in numbers]
    table[NOTEBOOK_COLUMNS].to_csv(tmp_path / "seed.csv", index=False)
    kept = split(clean(read_table(tmp_path / "seed.csv")[0])).query("Keep == '1' and CUI != ''")
    by_cui = kept.groupby("CUI")
    foci = by_cui["FocusFixed"].agg(lambda found: len(set(found.map(words))))
    few = foci[foci.between(2, 3)].index
    assert len(few) > 50
    assert set(by_cui["GroupId"].nunique()[few]) == {1}


def test_rows_without_a_focus_stay_together(tmp_path: Path) -> None:
    table = made_up()
    blank = table["Focus"].str.startswith("Rare 1")
    table.loc[blank, ["Focus", "CUI"]] = ""
    by_document = split(clean(table))[blank].groupby("File")["GroupId"].nunique()
    assert set(by_document) == {1}
    assert len(by_document) > 50
    table[NOTEBOOK_COLUMNS].to_csv(tmp_path / "seed.csv", index=False)  # which names no documents
    assert split(clean(read_table(tmp_path / "seed.csv")[0]))[blank]["GroupId"].nunique() == 1


def test_a_csvs_row_order_changes_nothing(tmp_path: Path) -> None:
    table = made_up()[NOTEBOOK_COLUMNS].drop_duplicates(["Question", "Answer"])
    table.loc[table["Focus"].str.startswith("Rare 2"), "Focus"] = ""
    found = []
    for name, rows in (("one.csv", table), ("other.csv", table.iloc[::-1])):
        rows.to_csv(tmp_path / name, index=False)
        kept = [*NOTEBOOK_COLUMNS, "Generic", "GroupId", "Split", "SeedRow"]
        found.append(split(clean(read_table(tmp_path / name)[0]))[kept].sort_values(kept))
    one, other = (rows.reset_index(drop=True) for rows in found)
    pd.testing.assert_frame_equal(one, other)


def test_the_top_is_counted_as_the_notebook_counted() -> None:
    def rows(focus: str, count: int, **more: str) -> list[dict[str, str]]:
        plain = {"Focus": focus, "Answer": "a", "LowerCaseSchema": ""}
        return [{"Question": f"{focus} {n}"} | plain | more for n in range(count)]

    listed = [row for n in range(98) for row in rows(f"F{n:02}", 3)]
    listed += rows("Anosmia", 2) + rows("Tourette syndrome", 2) + rows("Hearing Loss", 2)
    listed += rows("", 5)  # no focus
    listed += rows("Lower case", 5, LowerCaseSchema="1")  # the notebook missed these documents
    listed += rows("Twice", 5, Question="the same")
    top = top_foci(pd.DataFrame(listed))
    assert sorted(top) == sorted([f"F{n:02}" for n in range(98)] + _TIES)


_TIES = ["Hearing Loss", "Tourette syndrome"]  # the notebook's own choice among equals


@pytest.mark.long
def test_medquads_figures(real: pd.DataFrame, reference: Path) -> None:
    assert set(top_foci(real)) == set(json.loads((reference / "top100_focus.json").read_text()))
    assert (real["Keep"] == "1").sum() == pytest.approx(15_257, rel=0.01)
    sizes = real["Split"].value_counts()
    assert sizes["test_unseen"] == pytest.approx(1_032, rel=0.1)
    assert sizes["valid_unseen"] == pytest.approx(607, rel=0.1)
    assert sizes["train"] == pytest.approx(13_215, rel=0.02)
    assert (sizes["test_seen"], sizes["valid_seen"]) == (100, 100)
