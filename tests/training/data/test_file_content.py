"""What a file is counts, and not what it is called."""

import gzip
from pathlib import Path

import pytest

from tests.training.data.test_tables import read, zipped
from training.errors import DataError


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (zipped(**{"xl/workbook.xml": b""}), "an Excel workbook or a zip archive"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an old Excel workbook"),
        (b"%PDF-1.7\n", "a PDF"),
        (b"SQLite format 3\0", "a database"),
        (b"version https://git-lfs.github.com/spec/v1\n", "Git LFS, which `git lfs pull`"),
        (b"<!DOCTYPE html>\n<title>Sign in</title>", "a web page"),
    ],
)
@pytest.mark.parametrize("name", ["mine.csv", "mine.tsv", "mine.jsonl", "mine.csv.gz"])
def test_what_is_no_text_is_named(tmp_path: Path, content: bytes, kind: str, name: str) -> None:
    with pytest.raises(DataError, match=f"{name}: by its content it is .*{kind}"):
        read(tmp_path / name, content)


@pytest.mark.parametrize("name", ["bomb.csv.gz", "bomb.csv"])
def test_a_bomb_is_refused_before_it_unfolds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr("training.data.file_content._LARGEST_BYTES", 1_000_000)
    with pytest.raises(DataError, match="bytes is no table"):
        read(tmp_path / name, gzip.compress(b" " * 2_000_000, mtime=0))
