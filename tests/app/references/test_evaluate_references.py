"""`training evaluate-references` against a real service: what is judged is what is served."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from markupsafe import escape

from tests.app.server_process import Server
from tests.training.conftest import PAIRS, document, write_archive, write_table
from training.__main__ import main
from training.index import index

_TEXTS = {
    "1_CancerGov_QA/1.xml": document("Asthma", {"What is (are) Asthma ?": "A disease."}),
    "2_GARD_QA/2.xml": document("Scurvy", {"What is (are) Scurvy ?": "A lack."}),
}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("index")
    index(write_archive(directory / "MedQuAD.zip", _TEXTS), directory / "references")
    return directory / "references"


@pytest.fixture(scope="module")
def serving(pair: Path, made: Path) -> Iterator[Server]:
    running = Server(
        MEDQA_FINE_TUNED_MODEL=str(pair / "fine-tuned"),
        MEDQA_BASE_MODEL=str(pair / "base"),
        MEDQA_REFERENCES=str(made),
    )
    try:
        running.wait_until_ready()
        yield running
    finally:
        running.stop()


def test_it_judges_what_the_service_finds(
    serving: Server, made: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    judged = [
        {"collection": "2_GARD_QA", "file": "2.xml", "question_id": "Scurvy-0", "score_max": 3}
    ]
    questions = tmp_path / "questions.jsonl"
    questions.write_text(json.dumps({"subject": "scurvy", "message": "?", "judged": judged}))
    arguments = ["--url", serving.url, "--questions", str(questions), "--index", str(made)]
    assert main(["evaluate-references", *arguments]) == 0
    figures = json.loads(capsys.readouterr().out)
    assert figures["judged"]["avg_score"]["mean"] == 3.0
    assert figures["judged"]["ndcg_10"]["mean"] == 1.0
    assert figures["red_flags"] == {"questions": 2, "flagged": 0, "rate": 0.0}
    assert figures["milliseconds"]["searches"] == 2


def test_the_report_shows_what_the_service_says_and_takes_no_text_for_markup(
    serving: Server, made: Path, tmp_path: Path
) -> None:
    asked = "What is <script>alert(1)</script> scurvy?"
    splits = {"train": PAIRS, "test_unseen": {asked: "A lack."}, "test_seen": PAIRS}
    data = write_table(tmp_path / "data", splits)
    messages = tmp_path / "new.jsonl"
    kinds = {"I can't breathe": "emergency", "I have a cold": None}
    lines = (json.dumps({"text": text, "kind": kind}) for text, kind in kinds.items())
    messages.write_text("\n".join(lines))
    out = tmp_path / "report"
    arguments = ["--url", serving.url, "--index", str(made), "--data", str(data)]
    more = ["--messages", str(messages), "--out", str(out)]
    assert main(["evaluate-references", *arguments, *more]) == 0
    figures = json.loads((out / "references.json").read_text())
    assert figures["messages"]["new"]["emergencies"]["flagged"] == 1
    assert figures["messages"]["new"]["harmless"]["flagged"] == 0
    assert figures["index"]["questions"] == 2
    html = (out / "references.html").read_bytes().decode()  # the model writes \r too
    assert "<script" not in html
    assert html.count("<article>") == 1 + len(PAIRS)
    body = {"question": asked, "references": 3}
    reply = httpx.post(f"{serving.url}/answer", json=body, timeout=60).json()
    assert escape(reply["answer"]) in re.sub("</?mark>", "", html)
    assert reply["sentences"]
    for each in reply["sentences"]:
        sentence = escape(reply["answer"][each["start"] : each["end"]])
        doubtful = each["mark"] in ("contradicts", "not_found")
        assert (f"<mark>{sentence}</mark>" in html) == doubtful
    assert reply["references"][0]["excerpt"] in html


def test_no_question_reaches_the_log(serving: Server) -> None:
    httpx.get(f"{serving.url}/references", params={"q": "my secret scurvy"}, timeout=30)
    body = {"question": "my secret scurvy"}
    httpx.post(f"{serving.url}/answer", json=body, timeout=30)
    assert "secret" not in serving.output()
    assert "GET /references 200" in serving.output()


def test_a_service_that_is_not_there_is_named(
    made: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["--url", "http://127.0.0.1:9", "--index", str(made)]
    assert main(["evaluate-references", *arguments]) == 2
    assert "http://127.0.0.1:9 does not answer" in capsys.readouterr().err
