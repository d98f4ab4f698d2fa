"""What may be wrong with what `demo` is given: one line, exit status 2, before it trains."""

import gzip
import json
from pathlib import Path

import pytest
import yaml

from tests.training.test_demo import RECIPE
from training.__main__ import main

DOCUMENT = {"book": "b", "module": "m", "text": "Some text."}
SOURCES = [{"repo": "r", "commit": "c"}]


def told(
    capsys: pytest.CaptureFixture[str],
    data: Path,
    tmp_path: Path,
    corpus: bytes = b"",
    *,
    sources: str = json.dumps(SOURCES),
    name: str = "books.jsonl",
    recipe: str = yaml.safe_dump(RECIPE),
) -> str:
    """Run the command, which must fail; return the one line that it told."""
    (tmp_path / name).write_bytes(corpus)
    (tmp_path / "books-sources.json").write_text(sources)
    (tmp_path / "tiny.yaml").write_text(recipe)
    out = tmp_path / "out"
    arguments = ["--recipe", tmp_path / "tiny.yaml", "--corpus", tmp_path / name, "--out", out]
    assert main(["demo", *map(str, arguments), "--data", str(data)]) == 2
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error: ")]
    assert len(lines) == 1
    assert not (out / "base" / "model.safetensors").exists()
    return lines[0]


WHOLE = gzip.compress(json.dumps(DOCUMENT).encode() * 50, mtime=0)


@pytest.mark.parametrize(
    ("corpus", "name", "message"),
    [
        (b"", "books.jsonl", "the corpus holds 0 tokens"),
        (b"no JSON", "books.jsonl", "books.jsonl, line 1: not a corpus document"),
        (b"[1]", "books.jsonl", "line 1: not a corpus document"),
        (json.dumps(DOCUMENT).encode() + b"\n7", "books.jsonl", "line 2: not a corpus document"),
        (json.dumps(DOCUMENT | {"text": None}).encode(), "books.jsonl", "line 1: not a corpus"),
        (b"\xff\xfe\x00", "books.jsonl", "books.jsonl cannot be read after line 0"),
        (b"not gzipped", "books.jsonl.gz", "books.jsonl.gz cannot be read after line 0"),
        (WHOLE[:-20], "books.jsonl.gz", "books.jsonl.gz cannot be read"),
        (WHOLE[:12] + b"\xff" * 9 + WHOLE[20:], "books.jsonl.gz", "books.jsonl.gz cannot be read"),
    ],
)
def test_a_corpus_that_is_none(
    data: Path, tmp_path: Path, corpus: bytes, name: str, message: str,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    assert message in told(capsys, data, tmp_path, corpus, name=name)


@pytest.mark.parametrize("sources", ["", "{", "[]", "[1]", '{"repo": 1}', '[{"repo": "r"}]'])
def test_sources_that_name_nobody(
    data: Path, tmp_path: Path, sources: str, capsys: pytest.CaptureFixture[str]
) -> None:
    line = told(capsys, data, tmp_path, sources=sources)
    assert "not a JSON list of objects with repo and commit" in line


def test_data_that_is_missing_is_told_first(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "medquad.csv is missing" in told(capsys, tmp_path / "none", tmp_path)


def test_a_recipe_without_pretraining(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe = {name: value for name, value in RECIPE.items() if name != "pretraining"}
    line = told(capsys, data, tmp_path, recipe=yaml.safe_dump(recipe))
    assert "has no pretraining section" in line


@pytest.mark.parametrize("figures", ["", "{", "[]", "{}"])
def test_figures_that_were_damaged(
    data: Path, tmp_path: Path, figures: str, capsys: pytest.CaptureFixture[str]
) -> None:
    for model in ("base", "fine-tuned"):
        (tmp_path / "out" / model).mkdir(parents=True)
    (tmp_path / "out" / "fine-tuned" / "metrics.json").write_text(figures)
    assert "metrics.json" in told(capsys, data, tmp_path)
