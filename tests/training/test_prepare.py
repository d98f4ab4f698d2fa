"""`prepare` writes the same files whenever and however it reads the same documents."""

import errno
import functools
import http.server
import json
import logging
import os
import re
import subprocess
import sys
import threading
from pathlib import Path

import pandas as pd
import pytest

from tests.training.conftest import LOWER_CASE, document, write_archive
from training import prepare as module
from training.data.medquad import read_table
from training.errors import DataError
from training.prepare import prepare

ROOT = Path(__file__).parents[2]
FILES = {"medquad.csv", "seed.csv", "stats.json", "train_data.txt", "val_data.txt"}
FOCI = ["Asthma", "Diabetes", "Gout", "Measles", "Mumps", "Rickets", "Scurvy", "Stroke"]
ASPECTS = ["information", "treatment", "causes", "outlook", "symptoms", "prevention", "inheritance"]


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight foci of seven questions, one of them unanswered, and one lower-case document."""
    documents = {
        f"5_NIDDK_QA/{number:07}.xml": document(
            focus,
            {
                f"What is the {aspect} of {focus} ?": f"Summary : The {aspect}, for “{focus}”, is:"
                f" - {focus} {aspect} - and more, in {number} words."
                for aspect in ASPECTS
            }
            | {f"Who gets {focus} ?": ""},
        )
        for number, focus in enumerate(FOCI)
    }
    documents["6_NINDS_QA/0000007.xml"] = LOWER_CASE
    return write_archive(tmp_path_factory.mktemp("source") / "MedQuAD.zip", documents)


@pytest.fixture(scope="module")
def prepared(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("prepared") / "data"
    prepare(source, out)
    return out


def read(path: Path) -> pd.DataFrame:
    return pd.read_csv(path, dtype=str, keep_default_na=False)


def test_the_files_are_those_announced_and_no_others(prepared: Path) -> None:
    assert {file.name for file in prepared.iterdir()} == FILES


def test_the_notebooks_csv_is_raw_and_lacks_what_the_notebook_missed(prepared: Path) -> None:
    seed = read(prepared / "seed.csv")
    assert ",".join(seed.columns) == "Focus,CUI,SemanticType,SemanticGroup,Question,Answer"
    assert len(seed) == len(FOCI) * 8
    assert seed["Answer"][0].startswith("Summary : The information, for “Asthma”")
    assert "Holmes-Adie" in set(read(prepared / "medquad.csv")["Focus"])


@pytest.mark.parametrize(("name", "mark", "count"), [("train", "train", 4), ("val", "valid", 1)])
def test_the_texts_hold_the_notebooks_rows_one_a_line(
    prepared: Path, name: str, mark: str, count: int
) -> None:
    lines = (prepared / f"{name}_data.txt").read_text(encoding="utf-8").splitlines()
    table = read(prepared / "medquad.csv")
    rows = table[table["SeedRow"] == mark]
    found = [re.fullmatch(r"<question>(What .+\?)<answer>(The .+)<end>", line) for line in lines]
    assert [match.groups() for match in found if match] == [
        *zip(rows["QuestionClean"], rows["AnswerClean"], strict=True)
    ]
    assert len(lines) == len(rows)
    known = set(table.loc[table["Split"] == "train", "Focus"]) & set(FOCI)
    assert len(known) >= len(FOCI) - 2  # one topic to validate on, one to test on
    for focus in known:
        assert sum(f"“{focus}”" in line for line in lines) == count


def test_training_and_validation_texts_share_no_line(prepared: Path) -> None:
    train, valid = (
        set((prepared / f"{name}_data.txt").read_text(encoding="utf-8").splitlines())
        for name in ("train", "val")
    )
    assert train
    assert not train & valid


def test_the_statistics_count_what_is_in_the_tables(prepared: Path, source: Path) -> None:
    stats = json.loads((prepared / "stats.json").read_text())
    table = read(prepared / "medquad.csv")
    assert stats["rows"] == len(table) == 65
    assert stats["seed_rows"] == 64
    assert stats["seed_missing"]["Answer"] == 8
    assert stats["seed_missing"]["Focus"] == 0
    assert stats["answered"] == stats["kept"] == 57
    assert stats["flags"] == {"none": 57, "empty": 8}
    assert stats["splits"] == table["Split"].value_counts().to_dict()
    assert stats["near_synonyms"].keys() == {"test_unseen", "valid_unseen"}
    assert stats["digest"] == read_table(source)[1]
    assert stats["source"] == "MedQuAD.zip"
    assert stats["pinned"] is False


def test_another_process_writes_the_same_bytes(
    prepared: Path, source: Path, tmp_path: Path
) -> None:
    out = tmp_path / "again"
    subprocess.run(
        [
            *(sys.executable, "-m", "training", "prepare"),
            *("--source", str(source), "--out", str(out)),
        ],
        cwd=ROOT,
        env=os.environ | {"PYTHONHASHSEED": "1", "LC_ALL": "C"},
        check=True,
        capture_output=True,
        timeout=300,
    )
    for name in FILES:
        assert (out / name).read_bytes() == (prepared / name).read_bytes(), name


def test_data_other_than_the_pinned_is_taken_with_a_warning(
    source: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        prepare(source, tmp_path / "data")
    assert f"{source} differs from the pinned MedQuAD" in caplog.text


def test_a_full_disk_leaves_the_earlier_file(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    earlier = tmp_path / "seed.csv"
    earlier.write_text("earlier")

    def fail(path: Path, content: bytes) -> None:
        path.write_text("Focus,C")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", fail)
    with pytest.raises(DataError, match=r"seed\.csv could not be written: .*No space left"):
        prepare(source, tmp_path)
    assert earlier.read_text() == "earlier"
    assert list(tmp_path.iterdir()) == [earlier]


def test_a_place_that_cannot_be_written_is_named(source: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(DataError, match=f"{tmp_path}/file.* could not be written"):
        prepare(source, tmp_path / "file")


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None: ...


def test_a_download_is_used_when_it_is_medquad_and_refused_when_not(
    source: Path, prepared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    handler = functools.partial(_Quiet, directory=str(source.parent))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        url = f"http://127.0.0.1:{server.server_port}/{source.name}"
        try:
            with pytest.raises(DataError, match="the archive fetched is not MedQuAD at 577bd37"):
                prepare(None, tmp_path, url)
            assert not list(tmp_path.iterdir())
            monkeypatch.setattr(module, "DIGEST", read_table(source)[1])
            assert prepare(None, tmp_path, url)["pinned"]
        finally:
            server.shutdown()
            thread.join()
    assert (tmp_path / "medquad.csv").read_bytes() == (prepared / "medquad.csv").read_bytes()
    assert (tmp_path / "MedQuAD-577bd37.zip").read_bytes() == source.read_bytes()


def test_a_file_with_the_downloads_name_is_not_trusted(source: Path, tmp_path: Path) -> None:
    cached = tmp_path / "MedQuAD-577bd37.zip"
    cached.write_bytes(source.read_bytes())
    with pytest.raises(DataError, match=f"{cached} is not MedQuAD at 577bd37: delete it"):
        prepare(None, tmp_path, "http://127.0.0.1:9/never-asked")
    assert list(tmp_path.iterdir()) == [cached]


def test_every_column_is_documented(prepared: Path) -> None:
    described = (module.__doc__ or "").split("The columns of medquad.csv")[1]
    for column in read(prepared / "medquad.csv").columns:
        assert re.search(rf"\b{column}\b", described), column


def table_of(topics: int, rows: int) -> str:
    """A CSV of so many topics with so many questions each, every answer its own."""
    lines = ["Focus,Question,Answer"]
    for topic in range(topics):
        for row in range(rows):
            answer = " ".join(f"w{topic}x{row}x{word}" for word in range(12))
            lines.append(f"Topic {topic},What is {row} of topic {topic}?,{answer}.")
    return "\n".join(lines)


@pytest.mark.parametrize(("topics", "rows"), [(26, 7), (3, 1), (5, 2), (12, 40), (99, 3), (101, 2)])
def test_few_topics_are_parted_too(tmp_path: Path, topics: int, rows: int) -> None:
    (tmp_path / "mine.csv").write_text(table_of(topics, rows))
    prepare(tmp_path / "mine.csv", tmp_path / "data")
    table = read(tmp_path / "data" / "medquad.csv")
    of = {name: set(found["GroupId"]) for name, found in table.groupby("Split")}
    assert min(len(of["valid_unseen"]), len(of["test_unseen"])) >= min(2, 1 + topics // 20)
    assert not of["train"] & (of["valid_unseen"] | of["test_unseen"])
    assert (table["Split"] == "train").mean() >= 1 / 3
    assert (table["Split"] == "train").mean() >= 0.6 or topics == 3


def test_a_large_topic_is_trained_on(tmp_path: Path) -> None:
    lines = table_of(4, 2).splitlines()
    lines += [f"Large,What is {row}?,Answer number n{row} of those m{row}." for row in range(99)]
    (tmp_path / "mine.csv").write_text("\n".join(lines))
    prepare(tmp_path / "mine.csv", tmp_path / "data")
    table = read(tmp_path / "data" / "medquad.csv").query("Focus == 'Large'")
    assert set(table["Split"]) <= {"train", "valid_seen", "test_seen", "heldout"}


def test_questions_without_any_topic_are_parted_and_it_is_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    rows = [line.partition(",")[2] for line in table_of(10, 3).splitlines()]
    (tmp_path / "mine.csv").write_text("\n".join(rows))
    with caplog.at_level(logging.WARNING):
        stats = prepare(tmp_path / "mine.csv", tmp_path / "data")
    assert {"train", "valid_unseen", "test_unseen"} <= set(stats["splits"])
    assert "no row names its topic" in caplog.text


@pytest.mark.parametrize(("topics", "rows"), [(1, 40), (2, 5), (1, 1)])
def test_too_few_topics_are_told_at_once(
    tmp_path: Path, topics: int, rows: int, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "mine.csv").write_text(table_of(topics, rows))
    with caplog.at_level(logging.WARNING):
        prepare(tmp_path / "mine.csv", tmp_path / "data")
    assert "no row for valid_unseen and test_unseen" in caplog.text
    assert f"{topics * rows} rows of {topics} topics are too few" in caplog.text


def test_a_question_that_all_rows_ask_is_told_of(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    rows = [f"Topic {n},What is it?,The sign {n} of it is {n * n} and {n * 7}." for n in range(20)]
    (tmp_path / "mine.csv").write_text("\n".join(["Focus,Question,Answer", *rows]))
    with caplog.at_level(logging.WARNING):
        prepare(tmp_path / "mine.csv", tmp_path / "data")
    assert "no row for train: all that are not tested on have the question" in caplog.text
    assert "too few" not in caplog.text


def test_nothing_to_learn_from_is_refused(tmp_path: Path) -> None:
    (tmp_path / "mine.csv").write_text("Question,Answer\nWhat?,NaN\nWhy?,\n?,So.\n")
    with pytest.raises(DataError, match=r"none of its 3 rows can be learned from: no answer"):
        prepare(tmp_path / "mine.csv", tmp_path / "data")
    assert not (tmp_path / "data").exists()
