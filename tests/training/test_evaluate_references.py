"""What may be wrong with what `evaluate-references` is given: one line, exit status 2."""

import gzip
import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from training.__main__ import main
from training.references.compact import write_texts

INDEX = {"digest": "0", "questions": 1, "answered": 1, "excluded": 0}
JUDGED = {"subject": "Gout", "message": "What is it?", "judged": []}


class Stranger(BaseHTTPRequestHandler):
    """A service of another kind: it says `reply` to everything."""

    reply = b""

    def log_message(self, *_: object) -> None: ...

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(self.reply)))
        self.end_headers()
        self.wfile.write(self.reply)

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.do_GET()


@pytest.fixture
def stranger() -> Iterator[Callable[[Any], str]]:
    with HTTPServer(("127.0.0.1", 0), Stranger) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()

        def saying(reply: bytes) -> str:
            Stranger.reply = reply
            return f"http://127.0.0.1:{server.server_port}"

        yield saying
        server.shutdown()


@pytest.fixture
def index(tmp_path: Path) -> Path:
    """An index, as far as this command reads one."""
    directory = tmp_path / "index"
    directory.mkdir()
    (directory / "index.json").write_text(json.dumps(INDEX))
    write_texts(["0\tWhat is gout?"], directory / "rows", per_block=1)
    return directory


def told(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    """Run the command, which must fail; return the one line that it told."""
    assert main(["evaluate-references", *map(str, arguments)]) == 2
    said = capsys.readouterr()
    (line,) = (each for each in said.err.splitlines() if not each.startswith("INFO"))
    assert line.startswith("error: ")
    return line


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("index.json", None, "index.json cannot be read"),
        ("index.json", b'{"a', "index.json cannot be read"),
        ("index.json", b"[1]", "another kind of file: it has no digest, questions"),
        ("index.json", b'{"digest": "0", "questions": 1}', "it has no answered, excluded"),
        ("rows.npy", None, "is no index"),
        ("rows.npy", b"", "is no index"),
        ("rows.npy", b"\x93NUMPY\x01\x00", "is no index"),
        ("rows.ends.npy", b"no array", "is no index"),
    ],
)
def test_an_index_that_is_none(
    index: Path, name: str, content: bytes | None, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (index / name).unlink()
    if content is not None:
        (index / name).write_bytes(content)
    assert message in told(capsys, "--index", index)


def test_rows_that_are_spoilt(index: Path, capsys: pytest.CaptureFixture[str]) -> None:
    content = bytearray((index / "rows.npy").read_bytes())
    content[-12:] = b"\xff" * 12
    (index / "rows.npy").write_bytes(content)
    assert "is no index" in told(capsys, "--index", index)


@pytest.mark.parametrize(
    "reply",
    [
        b"<html>another service</html>", b"[]", b'{"models": []}', b'{"models": 7}',
        json.dumps({"models": [{"source": "a/b"}]}).encode(),
    ],
)  # fmt: skip
def test_another_service(
    index: Path,
    stranger: Callable[[bytes], str],
    reply: bytes,
    capsys: pytest.CaptureFixture[str],
) -> None:
    url = stranger(reply)
    assert f"{url} is another service" in told(capsys, "--index", index, "--url", url)


@pytest.mark.parametrize("url", ["localhost:1", "http://[", "http://127.0.0.1:99999999", ""])
def test_what_is_no_address(index: Path, url: str, capsys: pytest.CaptureFixture[str]) -> None:
    line = told(capsys, "--index", index, "--url", url)
    assert "is no address" in line or "does not answer" in line


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "holds no judged question"),
        (b"[1]", "not judged questions, one JSON object a line"),
        (b"\xff\xfe", "not judged questions"),
        (json.dumps(JUDGED | {"judged": "yes"}).encode(), "not judged questions"),
        (gzip.compress(json.dumps(JUDGED).encode(), mtime=0), "not judged questions"),
    ],
)
def test_questions_that_are_not_judged(
    index: Path, content: bytes, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    file = index / "questions.jsonl"
    file.write_bytes(content)
    assert message in told(capsys, "--index", index, "--questions", file)


def test_what_is_wanted_last_is_read_first(
    index: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    line = told(capsys, "--index", index, "--out", tmp_path / "out", "--data", tmp_path)
    assert "medquad.csv is missing" in line
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("limit", ["0", "-3", "ten"])
def test_a_limit_that_is_none(limit: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["evaluate-references", f"--limit={limit}"])
    assert caught.value.code == 2
    assert "is not a positive whole number" in capsys.readouterr().err
