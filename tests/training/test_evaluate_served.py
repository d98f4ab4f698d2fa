"""`training evaluate-served` against a real service with an index and a model that reads."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from tests.app.server_process import Server
from tests.training.conftest import COLUMNS, document, write_archive
from training.__main__ import main
from training.evaluate_served import _from_wrong_passage, evaluate
from training.evaluation.as_served import SYSTEMS, Served
from training.evaluation.facts import FactQuestion
from training.index import index
from training.reading.mixture import Published

GENE = "Changes in the WHZ1 gene cause it."
PATTERN = "It is autosomal recessive."
SCURVY = "A lack of vitamin C makes gums bleed."
ROWS = [
    ["Which gene causes Wheeze?", GENE, "genetic changes", "Wheeze", "GHR", "train"],
    ["Is Wheeze inherited?", PATTERN, "inheritance", "Wheeze", "GHR", "train"],
    ["What is scurvy?", SCURVY, "information", "Scurvy", "GARD", "test_unseen"],
]


@pytest.fixture(scope="module")
def serving(reading_pair: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    directory = tmp_path_factory.mktemp("index")
    texts = {
        "2_GARD_QA/2.xml": document("Scurvy", {"What is (are) Scurvy ?": SCURVY}, "GARD"),
        "3_GHR_QA/1.xml": document("Wheeze", {"Which gene causes Wheeze ?": GENE}, "GHR"),
    }
    index(write_archive(directory / "MedQuAD.zip", texts), directory / "references")
    running = Server(
        MEDQA_FINE_TUNED_MODEL=str(reading_pair / "fine-tuned"),
        MEDQA_BASE_MODEL=str(reading_pair / "base"),
        MEDQA_REFERENCES=str(directory / "references"),
        MEDQA_DEFAULT_NEW_TOKENS="8",
    )
    try:
        running.wait_until_ready()
        yield running
    finally:
        running.stop()


def write(directory: Path, rows: list[list[str]]) -> Path:
    directory.mkdir()
    table = pd.DataFrame(
        [
            [asked, answer, kind, topic, source, "1", topic, split, split]
            for asked, answer, kind, topic, source, split in rows
        ],
        columns=COLUMNS,
    )
    table.to_csv(directory / "medquad.csv", index=False)
    return directory


def test_facts_questions_and_messages_are_held_to_what_is_published(
    serving: Server, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = write(tmp_path / "data", ROWS)
    liveqa = tmp_path / "liveqa.jsonl"
    messages = [
        {"subject": "x", "message": "what is scurvy", "reference_answers": [{"answer": SCURVY}]},
        {"subject": "zzz qqq", "message": "", "reference_answers": [{"answer": "Nothing."}]},
        {"subject": "unanswered", "message": "?", "reference_answers": []},
    ]
    liveqa.write_text("\n".join(map(json.dumps, messages)))
    out = tmp_path / "served.json"
    arguments = ["--url", serving.url, "--data", str(data), "--liveqa", str(liveqa)]
    assert main(["evaluate-served", *arguments, "--out", str(out)]) == 0
    found = json.loads(capsys.readouterr().out)
    assert json.loads(out.read_text()) == found
    assert found["service"]["grounded"] is True
    assert found["service"]["model"] == "fine-tuned"
    assert found["service"]["index"]["questions"] == 2
    assert found["systems"] == SYSTEMS

    gene = found["facts"]["gene"]["train"]
    assert (gene["questions"], gene["grounded"]) == (1, 1.0)
    assert gene["published"]["right"]["value"] == 1.0, "the passage that was read"
    assert gene["closed_book"]["right"]["value"] == 0.0, "random weights know no gene"
    assert gene["from_wrong_passage"]["another_topic"] == 0
    assert "test_unseen" not in found["facts"]["gene"], "there are no such questions"
    inheritance = found["facts"]["inheritance"]["train"]
    assert inheritance["published"]["right"]["value"] == 0.0, "the index has no such answer"

    unseen: dict[str, Any] = found["test_unseen"]
    assert (unseen["questions"], unseen["grounded"]) == (1, 1.0)
    assert unseen["rouge_l"]["published"]["value"] == 1.0
    assert unseen["rouge_l"]["closed_book"]["value"] < 0.5
    assert unseen["reading_minus"].keys() == {"closed_book", "published"}
    assert 0.0 <= unseen["ended"] <= 1.0

    assert found["liveqa"]["questions"] == 2, "one has no reference answer"
    assert found["liveqa"]["grounded"] == 0.5
    assert found["liveqa"]["fact_overlap"]["published"]["value"] == 0.5
    assert found["liveqa"]["rouge_l"]["published"]["value"] == 0.5


def test_a_fact_of_another_topics_passage_is_told_apart() -> None:
    """Wheeze was asked after twice: once its own passage was read, once that on gout."""
    columns = ["FocusFixed", "GroupId"]
    table = pd.DataFrame(
        [["Wheeze", "w"], ["Whistling breath", "w"], ["Gout", "g"]], columns=columns
    )
    row = Published("Which gene causes Wheeze?", GENE, "Wheeze", "w", "genetic changes", "GHR")
    question = FactQuestion(row, "gene", frozenset({"WHZ1"}))
    gout = "Changes in the GT2 gene cause gout."

    def reply(answer: str, published: str, *topics: str) -> Served:
        texts = {"reading": answer, "closed_book": "", "published": published}
        return Served(texts, bool(topics), True, topics)

    replies = [
        reply(GENE, GENE, "whistling breath"),
        reply(gout, gout, "Gout"),
        reply("It is not told.", gout, "Gout"),
        reply(gout, gout),
    ]
    found = _from_wrong_passage(table, [question] * 4, replies)
    assert (found["another_topic"], found["states"]) == (2, 1)
    assert found["of_all"]["value"] == 0.25, "what the last one says came from no passage"
    assert found["of_another_topic"] == 0.5
    assert _from_wrong_passage(table, [question], replies[:1])["of_another_topic"] is None


def test_other_peoples_data_have_no_facts(serving: Server, tmp_path: Path) -> None:
    data = write(tmp_path / "data", [[*row[:4], "OWN", row[5]] for row in ROWS])
    found = evaluate(serving.url, data, None, 1)
    assert found["facts"] == {"gene": {}, "inheritance": {}}
    assert found["test_unseen"]["questions"] == 1
    assert "liveqa" not in found


@pytest.mark.parametrize("text", ["", '{"message": "?"}', "no JSON", "null"])
def test_messages_without_answers_are_told_in_one_line(
    serving: Server, tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str
) -> None:
    data = write(tmp_path / "data", ROWS[2:])
    liveqa = tmp_path / "liveqa.jsonl"
    liveqa.write_text(text)
    arguments = ["--url", serving.url, "--data", str(data), "--liveqa", str(liveqa)]
    assert main(["evaluate-served", *arguments]) == 2
    told = capsys.readouterr().err.strip().splitlines()[-1]
    assert "liveqa.jsonl: no messages with reference answers" in told


def test_a_service_that_is_not_there_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = write(tmp_path / "data", ROWS)
    assert main(["evaluate-served", "--url", "http://127.0.0.1:9", "--data", str(data)]) == 2
    told = capsys.readouterr().err.strip().splitlines()
    assert "http://127.0.0.1:9 does not answer" in told[-1]
    assert not any("Traceback" in line for line in told)
