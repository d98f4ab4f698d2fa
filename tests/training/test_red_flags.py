"""`python -m training red-flags`: from messages to the file that is served."""

import logging
from pathlib import Path

import numpy as np
import pytest

import training.red_flags
from training.__main__ import main
from training.classifier.model import KINDS
from training.red_flags import OWN, messages, read_messages

_SLOTS = "who = my dad|my wife|he|she\nopener = please,\nplea = what now\n"


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A small folder of templates and messages, used for the large one."""
    folder = tmp_path / "own"
    folder.mkdir()
    lines = {
        "emergency": "{who} (cannot|cant) breathe",
        "self_harm": "{who} wants to die",
        "overdose": "{who} took (forty|sixty) pills",
        "poisoning": "{who} drank bleach",
        "abuse": "{who} beats me",
        "none_told": "{who} has (dry|red|oily) skin\nwhat is asthma",
        "spanish": "emergency: no puedo respirar\nnone: tengo la piel seca",
        "slots": _SLOTS,
    }
    for name, text in lines.items():
        (folder / f"{name}.txt").write_text(text, encoding="utf-8")
    (folder / "short.jsonl").write_text('{"text": "drank bleach", "kind": "poisoning"}\n')
    monkeypatch.setattr(training.red_flags, "OWN", folder)
    return folder


def test_messages_in_classifier_out(
    own: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    judged = tmp_path / "judged.jsonl"
    judged.write_text(
        '{"text": "he drank bleach", "kind": "poisoning"}\n'
        '{"text": "what is asthma", "kind": null}\n'
    )
    out = tmp_path / "out.npz"
    with caplog.at_level(logging.INFO):
        assert main(["red-flags", "--judge", str(judged), "--out", str(out)]) == 0
    assert "judged.jsonl: 1 of 1 flagged, of the harmless 0 of 1" in caplog.text
    with np.load(out) as saved:
        assert tuple(saved["kinds"]) == KINDS


def test_each_file_tells_the_kind_and_what_is_named_counts_most(own: Path, tmp_path: Path) -> None:
    more = tmp_path / "more.jsonl"
    more.write_text('{"text": "my ear itches", "kind": null}\n', encoding="utf-8")
    found = {message.text: message for message in messages(own, [more])}
    assert found["my ear itches"].kind == KINDS.index("none")
    assert found["my ear itches"].weight > found["drank bleach"].weight >= 1
    kinds = {KINDS[message.kind] for message in found.values()}
    assert kinds == set(KINDS)


@pytest.mark.parametrize("line", ["no json", "{}", "[]", '{"text": "x", "kind": "fun"}'])
def test_a_line_that_is_no_message_is_named(
    own: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], line: str
) -> None:
    path = tmp_path / "bad.jsonl"
    path.write_text(line, encoding="utf-8")
    assert main(["red-flags", "--messages", str(path), "--out", str(tmp_path / "out.npz")]) == 2
    assert "bad.jsonl:1 " in capsys.readouterr().err


def test_what_is_shipped_has_messages_of_every_kind_and_language() -> None:
    learned = messages(OWN, [])
    counts = np.bincount([message.kind for message in learned], minlength=len(KINDS))
    assert len(learned) > 10_000
    assert counts.min() > 500
    assert not [message.text for message in learned if set("(){}|") & set(message.text)]
    assert len(list(read_messages(OWN / "short.jsonl"))) > 200
