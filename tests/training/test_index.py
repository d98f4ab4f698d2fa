"""The index of references: what is in it, what is left out, that it loads without a pickle."""

import csv
import filecmp
import json
from pathlib import Path

import numpy as np
import pytest

from tests.training.conftest import DOCUMENTS, document, write_archive
from training.__main__ import main
from training.data.download import COMMIT
from training.data.medquad import ALL_COLLECTIONS, read_table
from training.errors import DataError
from training.index import KEY, index
from training.references.compact import read_texts
from training.references.terms import Terms
from training.references.topic_names import names_of_documents

_MADE_UP = {name: text for name, text in DOCUMENTS.items() if not name.startswith("QTestSet")}


def _questions(out: Path) -> dict[str, str | None]:
    """Return each question's id and answer."""
    documents = [each.split("\t")[0] for each in read_texts(out / "documents")]
    answers = [None, *read_texts(out / "answers")]
    rows = zip(
        read_texts(out / "rows"),
        np.load(out / "rows.documents.npy"),
        np.load(out / "rows.answers.npy"),
        strict=True,
    )
    return {
        f"{documents[document]}#{row.split(chr(9))[0]}": answers[answer]
        for row, document, answer in rows
    }


@pytest.fixture
def made_up(tmp_path: Path) -> Path:
    return write_archive(tmp_path / "MedQuAD.zip", _MADE_UP)


def test_every_question_is_in_it_with_its_text_or_a_link_alone(
    made_up: Path, tmp_path: Path
) -> None:
    figures = index(made_up, tmp_path / "references")
    found = _questions(tmp_path / "references")
    assert len(found) == figures["questions"] == 7
    assert str(found["2_GARD_QA/0000009.xml#0000009-1"]).endswith("A whistle in the chest.")
    assert found["2_GARD_QA/0000009.xml#0000009-2"] is None
    assert any(name.startswith("10_MPlus_ADAM_QA/") for name in found)
    described = read_texts(tmp_path / "references" / "documents")
    assert any("\tGARD\thttps://example.org/wheeze\t" in each for each in described)


def test_it_is_the_same_each_time(made_up: Path, tmp_path: Path) -> None:
    names = [sorted(path.name for path in _made(made_up, tmp_path / name)) for name in "ab"]
    assert names[0] == names[1]
    assert filecmp.cmpfiles(tmp_path / "a", tmp_path / "b", names[0], shallow=False)[0] == names[0]


def _made(source: Path, out: Path) -> list[Path]:
    index(source, out)
    return list(out.iterdir())


def test_the_committed_index_is_small_whole_and_says_whose_texts_it_holds() -> None:
    directory = Path(__file__).parents[2] / "models" / "references"
    files = list(directory.iterdir())
    assert sum(path.stat().st_size for path in files) < 20e6
    assert {path.suffix for path in files} == {".json", ".md", ".npy"}
    described = json.loads((directory / "index.json").read_text())
    assert (described["questions"], described["answered"]) == (47_457, 15_305)
    assert described["excluded"] == 0
    attribution = (directory / "ATTRIBUTION.md").read_text()
    for words in ("MedQuAD", "Attribution 4.0", COMMIT, "collections 10-12"):
        assert words in attribution
    answers = np.load(directory / "rows.answers.npy")
    documents = [each.split("_")[0] for each in read_texts(directory / "documents")]
    collections = np.array([int(each) for each in documents])[
        np.load(directory / "rows.documents.npy")
    ]
    assert not answers[collections >= 10].any(), "their licence allows a link alone"


def test_nothing_in_it_needs_a_pickle(made_up: Path, tmp_path: Path) -> None:
    index(made_up, tmp_path / "references")
    files = [path for path in (tmp_path / "references").rglob("*") if path.is_file()]
    assert {path.suffix for path in files} == {".json", ".md", ".npy"}
    for path in files:
        if path.suffix == ".npy":
            np.load(path, allow_pickle=False, mmap_mode="r")


def test_rows_of_the_tests_are_left_out_by_their_keys(made_up: Path, tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    with (data / "medquad.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow([*KEY, "Split", "GroupId"])
        writer.writerow(["2_GARD_QA", "0000009.xml", "0000009-1", "test_seen", "wheeze"])
        writer.writerow(["2_GARD_QA", "0000009.xml", "0000009-2", "train", "wheeze"])
        writer.writerow(["9_CDC_QA", "0000199.xml", "0000199-12", "train", "vaccines"])
    out = tmp_path / "references"
    arguments = ["--source", str(made_up), "--data", str(data), "--out", str(out)]
    assert main(["index", *arguments, "--exclude-split", "test_seen"]) == 0
    assert "2_GARD_QA/0000009.xml#0000009-1" not in _questions(out)
    assert json.loads((out / "index.json").read_text())["excluded"] == 1
    assert not any("whistle" in str(answer) for answer in _questions(out).values())
    assert main(["index", *arguments, "--exclude-topics-of", "test_seen"]) == 0
    assert not any(name.startswith("2_GARD_QA/0000009.xml") for name in _questions(out))
    assert json.loads((out / "index.json").read_text())["excluded"] == 2
    assert main(["index", *arguments, "--exclude-split", "no_such"]) == 2


def test_a_heading_is_no_answer(tmp_path: Path) -> None:
    asked = {
        "Is gout inherited ?": "Is gout inherited?",
        "What is gout ?": "What is gout? Crystals.",
        "What are the treatments for gout ?": "These resources address the treatment of gout: - A",
    }
    texts = {"2_GARD_QA/1.xml": document("Gout", asked, source="GARD")}
    index(write_archive(tmp_path / "MedQuAD.zip", texts), tmp_path / "references")
    assert list(_questions(tmp_path / "references").values()) == [None, "Crystals.", None]


@pytest.mark.parametrize("name", ["mine.csv", "mine.jsonl", "MedQuAD.csv.gz", "kaggle.zip"])
def test_a_table_is_refused_in_one_line(
    tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    text = "Focus,Question,Answer\nGout,What is gout?,Crystals.\n"
    (tmp_path / name).write_text(text)
    if name.endswith(".zip"):
        (tmp_path / name).unlink()
        write_archive(tmp_path / name, {"medquad.csv": text})
    arguments = ["--source", str(tmp_path / name), "--out", str(tmp_path / "references")]
    assert main(["index", *arguments]) == 2
    told = capsys.readouterr().err.splitlines()
    assert f"{name}: no MedQuAD documents" in told[-1]
    assert "give MedQuAD's archive" in told[-1]


def test_data_without_the_keys_are_refused(made_up: Path, tmp_path: Path) -> None:
    (tmp_path / "medquad.csv").write_text("Question,Split\na,test_seen\n")
    arguments = ["--source", str(made_up), "--data", str(tmp_path), "--out", str(tmp_path / "r")]
    assert main(["index", *arguments, "--exclude-split", "test_seen"]) == 2


def test_an_index_takes_the_place_of_an_index_and_of_nothing_else(
    made_up: Path, tmp_path: Path
) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years of work")
    with pytest.raises(DataError, match="is not an index"):
        index(made_up, tmp_path / "mine")
    assert (tmp_path / "mine" / "thesis.txt").exists()
    index(made_up, tmp_path / "references")
    assert index(made_up, tmp_path / "references")["questions"] == 7


def test_topics_take_names_from_answers_and_from_each_other(tmp_path: Path) -> None:
    pressure = "Normal pressure hydrocephalus (NPH) widens the ventricles of the brain."
    smoking = "Your doctor may offer bupropion (Wellbutrin) or a patch."
    texts = {
        "5_NIDDK_QA/1.xml": document("Normal pressure hydrocephalus", {"What is it?": pressure}),
        "6_NINDS_QA/2.xml": document("Normal Pressure Hydrocephalus", {"What helps?": "A shunt."}),
        "7_SeniorHealth_QA/3.xml": document("Smoking", {"What helps?": smoking}),
        "11_MPlusDrugs_QA/4.xml": document("Bupropion", {"How is it used?": ""}),
    }
    archive = write_archive(tmp_path / "MedQuAD.zip", texts)
    table, _ = read_table(archive, ALL_COLLECTIONS)
    names = names_of_documents(table, table["Collection"] + "/" + table["File"], Terms().words)
    assert names["6_NINDS_QA/2.xml"] == {"normal pressure hydrocephalus", "nph"}
    assert names["11_MPlusDrugs_QA/4.xml"] == {"bupropion", "wellbutrin"}


@pytest.mark.long
def test_the_real_medquad(reference: Path, tmp_path: Path) -> None:
    figures = index(next(reference.parent.glob("MedQuAD-*.zip")), tmp_path / "references")
    assert (figures["questions"], figures["answered"]) == (47_457, 15_305)
