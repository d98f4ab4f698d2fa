"""Keys at rest: digests are read from the environment or a file; a plain key is never repeated."""

import hashlib
from pathlib import Path

import pytest

from app.__main__ import main
from app.middleware.api_keys import ApiKey, parse_key, read_keys
from app.settings import Settings

DIGEST = hashlib.sha256(b"a key").hexdigest()
OTHER = hashlib.sha256(b"another").hexdigest()
PLAIN = "mq-l5Bq0cV9SuperSecret"


def test_a_name_is_optional_and_case_does_not_matter() -> None:
    assert parse_key(f"clinic.a:{DIGEST.upper()}") == ApiKey("clinic.a", DIGEST)
    assert parse_key(DIGEST) == ApiKey(DIGEST[:8], DIGEST)


@pytest.mark.parametrize(
    "entry",
    [PLAIN, f"alice:{PLAIN}", DIGEST[:-1], DIGEST + "0", f":{DIGEST}", f"a b:{DIGEST}", "g" * 64],
)
def test_what_is_no_digest_is_refused_with_how_to_make_one(entry: str) -> None:
    with pytest.raises(ValueError, match="sha256sum") as refused:
        parse_key(entry)
    assert PLAIN not in str(refused.value)


def test_a_file_has_one_key_a_line(tmp_path: Path) -> None:
    file = tmp_path / "keys"
    file.write_text(f"# ours\n\nalice:{DIGEST}  # until May\r\n  {OTHER}\n")
    assert read_keys(file) == [ApiKey("alice", DIGEST), ApiKey(OTHER[:8], OTHER)]


def test_the_environment_lists_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MEDQA_API_KEYS", f"alice:{DIGEST}, {OTHER}")
    assert Settings(_env_file=None).api_keys == [
        ApiKey("alice", DIGEST),
        ApiKey(OTHER[:8], OTHER),
    ]


def test_a_plain_key_stops_the_start_and_is_not_printed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MEDQA_API_KEYS", f"alice:{DIGEST},{PLAIN}")
    assert main([]) == 2
    printed = capsys.readouterr()
    assert "MEDQA_API_KEYS, entry 2: not a SHA-256 digest" in printed.err
    assert "sha256sum" in printed.err
    assert PLAIN not in printed.err + printed.out
    with pytest.raises(ValueError) as refused:
        Settings(_env_file=None)
    assert PLAIN not in str(refused.value) + repr(refused.value)


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (None, "keys cannot be read: No such file"),
        (b"\xff\xfe", "keys cannot be read: not UTF-8 text"),
        (b"# nobody yet\n", "keys holds no key"),
        (f"alice:{DIGEST}\n{PLAIN}\n".encode(), "keys, line 2: not a SHA-256 digest"),
    ],
)
def test_a_bad_file_stops_the_start(
    content: bytes | None,
    complaint: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    file = tmp_path / "keys"
    if content is not None:
        file.write_bytes(content)
    monkeypatch.setenv("MEDQA_API_KEYS_FILE", str(file))
    assert main([]) == 2
    printed = capsys.readouterr().err
    assert "error: MEDQA_API_KEYS_FILE: " in printed
    assert complaint in printed
    assert PLAIN not in printed
