"""The index of references: what is in it, what is left out, that it loads without a pickle."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest

from tests.training.conftest import DOCUMENTS, document, write_archive
from training.__main__ import main
from training.data.medquad import ALL_COLLECTIONS, read_table
from training.errors import DataError
from training.index import KEY, index
from training.references.topic_names import names_of_documents

_MADE_UP = {name: text for name, text in DOCUMENTS.items() if not name.startswith("QTestSet")}


def _lines(out: Path) -> list[dict[str, str | None]]:
    return [json.loads(line) for line in (out / "questions.jsonl").read_text().splitlines()]


@pytest.fixture
def made_up(tmp_path: Path) -> Path:
    return write_archive(tmp_path / "MedQuAD.zip", _MADE_UP)


def test_every_question_is_in_it_with_its_text_or_a_link_alone(
    made_up: Path, tmp_path: Path
) -> None:
    figures = index(made_up, tmp_path / "references")
    lines = _lines(tmp_path / "references")
    assert len(lines) == figures["questions"] == 7
    by_id = {str(line["id"]): line for line in lines}
    whistle = by_id["2_GARD_QA/0000009.xml#0000009-1"]
    assert str(whistle["answer"]).endswith("A whistle in the chest.")
    assert (whistle["source"], whistle["licence"]) == ("GARD", "CC BY 4.0")
    assert whistle["url"] == "https://example.org/wheeze"
    unanswered = by_id["2_GARD_QA/0000009.xml#0000009-2"]
    assert (unanswered["answer"], unanswered["licence"]) == (None, "link only")
    assert any(name.startswith("10_MPlus_ADAM_QA/") for name in by_id)


def test_nothing_in_it_needs_a_pickle(made_up: Path, tmp_path: Path) -> None:
    index(made_up, tmp_path / "references")
    files = [path for path in (tmp_path / "references").rglob("*") if path.is_file()]
    assert {path.suffix for path in files} == {".json", ".jsonl", ".npy"}
    for path in files:
        if path.suffix == ".npy":
            np.load(path, allow_pickle=False, mmap_mode="r")


def test_rows_of_the_tests_are_left_out_by_their_keys(made_up: Path, tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    with (data / "medquad.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow([*KEY, "Split"])
        writer.writerow(["2_GARD_QA", "0000009.xml", "0000009-1", "test_seen"])
        writer.writerow(["9_CDC_QA", "0000199.xml", "0000199-12", "train"])
    out = tmp_path / "references"
    arguments = ["--source", str(made_up), "--data", str(data), "--out", str(out)]
    assert main(["index", *arguments, "--exclude-split", "test_seen"]) == 0
    assert "2_GARD_QA/0000009.xml#0000009-1" not in {line["id"] for line in _lines(out)}
    assert json.loads((out / "index.json").read_text())["excluded"] == 1
    words = json.loads((out / "answers" / "vocab.index.json").read_text())
    assert "whistl" not in words, "not even the answer's words are left"
    assert main(["index", *arguments, "--exclude-split", "no_such"]) == 2


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
    names = names_of_documents(table, table["Collection"] + "/" + table["File"])
    assert names["6_NINDS_QA/2.xml"] == {"normal pressure hydrocephalus", "nph"}
    assert names["11_MPlusDrugs_QA/4.xml"] == {"bupropion", "wellbutrin"}


@pytest.mark.long
def test_the_real_medquad(reference: Path, tmp_path: Path) -> None:
    figures = index(next(reference.parent.glob("MedQuAD-*.zip")), tmp_path / "references")
    assert (figures["questions"], figures["answered"]) == (47_457, 16_423)
