"""Other people's tables are read where they are plain, and refused in words that help."""

import csv
import gzip
import io
import json
import logging
import zipfile
from pathlib import Path

import pandas as pd
import pytest

from training.data.medquad import NOTEBOOK_COLUMNS, read_table
from training.errors import DataError
from training.prepare import prepare

ROWS = [
    ("Asthma", "What is asthma?", "A disease of the airways, which narrow; it’s common."),
    ("Gout", "What is gout?", "Crystals\tin a joint. “Podagra” is gout | of the toe."),
]


def csv_bytes(
    header: tuple[str, ...] = ("Focus", "Question", "Answer"),
    separator: str = ",",
    encoding: str = "utf-8",
) -> bytes:
    file = io.StringIO()
    csv.writer(file, delimiter=separator).writerows([header, *ROWS])
    return file.getvalue().encode(encoding)


def json_lines() -> bytes:
    names = ("focus_area", "question", "answer")
    return "\n".join(json.dumps(dict(zip(names, row, strict=True))) for row in ROWS).encode()


def zipped(**members: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return file.getvalue()


def read(path: Path, content: bytes) -> pd.DataFrame:
    path.write_bytes(content)
    return read_table(path)[0]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("mine.csv", csv_bytes()),
        ("mine.CSV", csv_bytes()),
        ("mine.csv.gz", gzip.compress(csv_bytes(), mtime=0)),
        ("mine.tsv", csv_bytes(separator="\t")),
        ("mine.tsv.gz", gzip.compress(csv_bytes(separator="\t"), mtime=0)),
        ("semicolons.csv", csv_bytes(separator=";")),
        ("excel.csv", b"sep=;\r\n" + csv_bytes(separator=";")),
        ("tabs.csv", csv_bytes(separator="\t")),
        ("bars.csv", csv_bytes(separator="|")),
        ("lower.csv", csv_bytes(("focus", "question", "answer"))),
        ("spaced.csv", csv_bytes((" Focus", "Question ", " ANSWER "))),
        ("blank.csv", b"\n\n" + csv_bytes()),
        ("marked.csv", csv_bytes(encoding="utf-8-sig")),
        ("windows.csv", csv_bytes(encoding="cp1252")),
        ("wide.csv", csv_bytes(encoding="utf-16")),
        ("hub.csv", csv_bytes(("focus_area", "question", "answer"))),
        ("mine.jsonl", json_lines()),
        ("hub.json", json_lines()),  # as the hub's library writes it
        ("list.jsonl", b"[" + json_lines().replace(b"\n", b",") + b"]"),
        ("marked.jsonl", b"\xef\xbb\xbf" + json_lines()),
        ("unpacked.csv.gz", csv_bytes()),  # as browsers save it
        ("packed.csv", gzip.compress(csv_bytes(), mtime=0)),
        ("mine.jsonl.gz", gzip.compress(json_lines(), mtime=0)),
        ("mine.json", b"[" + json_lines().replace(b"\n", b",\n") + b"]"),
        ("kaggle.zip", zipped(**{"medquad.csv": csv_bytes()})),
        (
            "mac.zip",
            zipped(**{"a/mine.tsv": csv_bytes(separator="\t"), "__MACOSX/a/._mine.tsv": b"\0\5"}),
        ),
    ],
)
def test_what_is_plain_is_read(tmp_path: Path, name: str, content: bytes) -> None:
    table = read(tmp_path / name, content)
    expected = [tuple(" ".join(text.split()) for text in row) for row in ROWS]
    found = table[["Focus", "Question", "Answer"]].itertuples(index=False, name=None)
    assert list(found) == expected
    assert set(NOTEBOOK_COLUMNS) < set(table.columns)


def test_packing_does_not_change_the_digest(tmp_path: Path) -> None:
    digests = set()
    for name, content in {
        "mine.csv": csv_bytes(),
        "mine.csv.gz": gzip.compress(csv_bytes(), mtime=0),
        "kaggle.zip": zipped(**{"medquad.csv": csv_bytes()}),
    }.items():
        (tmp_path / name).write_bytes(content)
        digests.add(read_table(tmp_path / name)[1])
    assert len(digests) == 1


def test_kaggles_and_the_hubs_columns_are_known(tmp_path: Path) -> None:
    kaggle = read(tmp_path / "kaggle.csv", b"qtype,Question,Answer\nsymptoms,What?,This.\n")
    assert list(kaggle.loc[0, ["QuestionType", "Question", "Answer", "Focus"]]) == [
        *("symptoms", "What?", "This.", "")
    ]
    hub = read(tmp_path / "hub.csv", b"question,answer,source,focus_area\nWhat?,This.,GARD,Gout\n")
    assert list(hub.loc[0, ["Source", "Focus"]]) == ["GARD", "Gout"]
    whole = read(
        tmp_path / "whole.csv",
        b"document_source,umls_cui,synonyms,question_focus,question_type,question,answer\n"
        b"GHR,C1|C2,a|b,Gout,causes,Why?,Crystals.\n",
    )
    given = whole.loc[0, ["Source", "CUI", "AllCUIs", "Synonyms", "Focus", "QuestionType"]]
    assert list(given) == ["GHR", "C1", "C1|C2", "a|b", "Gout", "causes"]


def test_what_was_taken_for_what_is_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        read(tmp_path / "plain.csv", csv_bytes(("Question", "Answer", "Focus")))
        assert "read" not in caplog.text
        content = csv_bytes(("focus_area", "question", "answer"), ";", "cp1252")
        read(tmp_path / "other.csv", content)
    assert "'focus_area' as Focus" in caplog.text
    assert "cp1252" in caplog.text
    assert "';' as the separator" in caplog.text
    assert "has no CUI, SemanticType, SemanticGroup: left empty" in caplog.text


FILLERS = ["NaN", "nan", "None", "NULL", "N/A", "NA", "<NA>", "#N/A", "null", "-", "?", " "]


@pytest.mark.parametrize("filler", FILLERS)
def test_fillers_are_missing_in_every_column(tmp_path: Path, filler: str) -> None:
    columns = [*NOTEBOOK_COLUMNS, "Source", "QuestionType", "URL", "Synonyms"]
    file = io.StringIO()
    csv.writer(file).writerows([columns, [filler] * len(columns), ["x"] * len(columns)])
    table = read(tmp_path / "mine.csv", file.getvalue().encode())
    assert set(table.loc[0, columns]) == {""}
    assert table.loc[0, "AllCUIs"] == ""
    assert set(table.loc[1, columns]) == {"x"}


@pytest.mark.parametrize("text", ["NaN values occur.", "none known", "N/A-positive", "No", "0"])
def test_what_only_begins_like_a_filler_stays(tmp_path: Path, text: str) -> None:
    table = read(tmp_path / "mine.csv", f"Question,Answer\nWhat?,{text}\n".encode())
    assert table.loc[0, "Answer"] == text


def test_a_topic_that_is_called_like_a_filler_stays(tmp_path: Path) -> None:
    table = read(tmp_path / "mine.csv", b"Focus,Question,Answer\nNA,What is NA ?,Sodium.\n")
    assert table.loc[0, "Focus"] == "NA"


@pytest.mark.parametrize("value", [None, float("nan"), "None"])
def test_jsons_missing_values_are_missing(tmp_path: Path, value: object) -> None:
    rows = [{"question": "What?", "answer": value}, {"question": "Why?", "answer": "So."}, {}]
    content = "\n".join(json.dumps(row) for row in rows).encode()
    table = read(tmp_path / "mine.jsonl", content)
    assert table["Answer"].tolist() == ["", "So.", ""]


def test_a_line_of_json_ends_at_a_line_end_alone(tmp_path: Path) -> None:
    row = {"question": "What\u2028is gout?", "answer": "Crystals\u0085in a\u2029joint."}
    content = f"{json.dumps(row, ensure_ascii=False)}\n\n".encode() * 2
    table = read(tmp_path / "mine.jsonl", content)
    assert table["Answer"].tolist() == ["Crystals in a joint."] * 2


def test_half_a_pair_of_surrogates_is_no_text(tmp_path: Path) -> None:
    content = rb'{"question": "What \ud83d?", "answer": "\ud83d\ude00 \udc00So."}'
    table = read(tmp_path / "mine.jsonl", content)
    assert [table.loc[0, name] for name in ("Question", "Answer")] == [
        "What \ufffd?",
        "\U0001f600 \ufffdSo.",
    ]
    prepare(tmp_path / "mine.jsonl", tmp_path / "data")


def test_rows_that_end_early_lack_what_they_do_not_say(tmp_path: Path) -> None:
    table = read(tmp_path / "mine.csv", b"Question,Focus,Answer\nWhat?,Gout\nWhy?,Gout,So.\n")
    assert table["Answer"].tolist() == ["", "So."]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.csv", b"instruction,output\na,b\n", r"lacks .*Question, Answer; .*'instruction'"),
        ("a.csv", b"question,QUESTION ,Answer\na,b,c\n", r"'question' and 'QUESTION' may all"),
        ("a.csv", b"Question,Answer\n\0\1,b\n", r"not a text file"),
        ("a.csv", b"Question,Answer\n\x81\x8d,b\n", r"not a text file"),
        ("a.csv", b"Question,Answer\nWhat, he asked,This\n", r"line 2 has 3 fields.* quote"),
        ("a.csv.gz", b"Question,Answer\n", r"no question below its first line"),
        ("a.csv", b" \n\n", r"it is empty"),
        ("a.csv", b'[{"question": "a", "answer": "b"}]', r"lacks .*'\[\{"),
        ("a.csv.gz", gzip.compress(csv_bytes(), mtime=0)[:-12], r"not a readable gzip file"),
        ("a.jsonl", b'{"question": "a", "answer": ["b"]}', r"row 1: 'answer' is a list"),
        ("a.jsonl", b'{"question": "a"\n', r"not readable JSON"),
        ("a.json", b'{"question": "a"}', r"not a list of JSON objects"),
        (
            "a.json",
            b'{\n"data": [{"question": "a"}],\n"x": 1}',
            r"it is one object with 'data', 'x'",
        ),
        ("a.jsonl", b"[1, 2]", r"not a list of JSON objects"),
        ("a.json", b"[]", r"no question in it"),
        ("a.json", b'[{"messages": "a"}]', r"lacks .*'messages'"),
        ("a.parquet", b"PAR1", r"parquet files are not read here; save it as CSV"),
        ("a.xlsx", b"PK", r"xlsx files are not read here; save it as CSV"),
        ("a.zip", zipped(**{"a.csv": b"", "b.csv": b""}), r"several tables .*a\.csv, b\.csv"),
        ("a.zip", zipped(**{"a.parquet": b""}), r"no MedQuAD documents.* in it, but a\.parquet"),
        ("a.zip", zipped(**{"b.zip": zipped()}), r"no MedQuAD documents.* in it, but b\.zip"),
        ("a.zip", zipped(), r"no MedQuAD documents.* in it, but nothing at all"),
        ("a.txt", csv_bytes(separator="\t"), r"nor by its name a table; give \.csv, \.tsv"),
        ("a.csv.bz2", b"BZh9", r"not a readable zip archive, nor by its name a table"),
    ],
)
def test_the_rest_says_what_was_seen_and_what_to_do(
    tmp_path: Path, name: str, content: bytes, message: str
) -> None:
    with pytest.raises(DataError, match=message) as caught:
        read(tmp_path / name, content)
    assert str(tmp_path / name) in str(caught.value)
    assert "\n" not in str(caught.value)
