"""Fetching MedQuAD: whole, resumed, refused when it is something else, clear when offline."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from training.data.download import URL, download
from training.errors import DataError

CONTENT = bytes(range(256)) * 4096


class Source:
    """A loopback server of one file, which may cut transfers short or ignore ranges."""

    def __init__(self) -> None:
        self.ranges: list[str | None] = []
        self.cut_after: int | None = None
        self.takes_ranges = True
        self.says_from: int | None = None
        source = self

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *_: object) -> None: ...

            def do_GET(self) -> None:
                wanted = self.headers["Range"]
                source.ranges.append(wanted)
                start = int(wanted[6:-1]) if wanted and source.takes_ranges else 0
                if start >= len(CONTENT):
                    self.send_response(416)
                    self.send_header("Content-Length", "0")
                    self.send_header("Content-Range", f"bytes */{len(CONTENT)}")
                    self.end_headers()
                    return
                self.send_response(206 if start else 200)
                self.send_header("Content-Length", str(len(CONTENT) - start))
                if start:
                    said = start if source.says_from is None else source.says_from
                    self.send_header("Content-Range", f"bytes {said}-{len(CONTENT) - 1}/*")
                self.end_headers()
                self.wfile.write(CONTENT[start : source.cut_after])

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/archive.zip"
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()


@pytest.fixture
def source() -> Iterator[Source]:
    running = Source()
    yield running
    running.server.shutdown()
    running.server.server_close()


def _accept(archive: Path) -> None:
    if archive.read_bytes() != CONTENT:
        raise DataError("not the archive")


def test_a_whole_file_is_kept_and_not_fetched_again(source: Source, tmp_path: Path) -> None:
    to = tmp_path / "cache" / "archive.zip"
    for _ in range(2):
        assert download(source.url, to, _accept).read_bytes() == CONTENT
    assert source.ranges == [None]
    assert list(to.parent.iterdir()) == [to]


@pytest.mark.parametrize("takes_ranges", [True, False])
def test_a_cut_transfer_goes_on(source: Source, tmp_path: Path, takes_ranges: bool) -> None:
    to = tmp_path / "archive.zip"
    source.cut_after = 300_000
    with pytest.raises(DataError, match="go on where it stopped"):
        download(source.url, to, _accept)
    assert not to.exists()
    have = (tmp_path / "archive.zip.part").stat().st_size
    assert 0 < have <= 300_000
    source.cut_after, source.takes_ranges = None, takes_ranges
    assert download(source.url, to, _accept).read_bytes() == CONTENT
    assert source.ranges[-1] == f"bytes={have}-"


def test_a_part_that_is_whole_already_is_taken(source: Source, tmp_path: Path) -> None:
    (tmp_path / "archive.zip.part").write_bytes(CONTENT)
    assert download(source.url, tmp_path / "archive.zip", _accept).read_bytes() == CONTENT


def test_a_part_longer_than_the_file_is_begun_again(source: Source, tmp_path: Path) -> None:
    (tmp_path / "archive.zip.part").write_bytes(CONTENT + b"of a longer file")
    assert download(source.url, tmp_path / "archive.zip", _accept).read_bytes() == CONTENT
    assert source.ranges == [f"bytes={len(CONTENT) + 16}-", None]


def test_a_range_from_elsewhere_is_not_appended(source: Source, tmp_path: Path) -> None:
    (tmp_path / "archive.zip.part").write_bytes(CONTENT[:1000])
    source.says_from = 500
    assert download(source.url, tmp_path / "archive.zip", _accept).read_bytes() == CONTENT
    assert source.ranges == ["bytes=1000-", None]


def test_the_wrong_content_is_refused_and_deleted(source: Source, tmp_path: Path) -> None:
    (tmp_path / "archive.zip.part").write_bytes(b"something else")
    with pytest.raises(DataError, match="not the archive"):
        download(source.url, tmp_path / "archive.zip", _accept)
    assert not list(tmp_path.iterdir())
    assert download(source.url, tmp_path / "archive.zip", _accept).read_bytes() == CONTENT


def test_offline_says_where_from_and_how_to_go_on(source: Source, tmp_path: Path) -> None:
    source.server.shutdown()
    source.server.server_close()
    with pytest.raises(DataError, match=rf"{source.url} could not be fetched .*--source"):
        download(source.url, tmp_path / "archive.zip", _accept)


def test_a_place_that_cannot_be_written_is_named(source: Source, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(DataError, match=r"archive\.zip\.part could not be written"):
        download(source.url, tmp_path / "file" / "archive.zip", _accept)


def test_the_commit_is_pinned() -> None:
    assert URL.endswith("577bd37b96c02d1833b2c9eed2de9f96964e96cb.zip")
