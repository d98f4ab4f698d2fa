"""What `finetune` leaves of its training answers, read by the service that guesses from it."""

import json
from pathlib import Path

import pytest
from transformers import AutoTokenizer

from app.engine.interface import Span
from app.engine.training_text import FILE, TrainingText
from tests.conftest import SENTENCES, edit_json
from training.__main__ import main
from training.trainer.training_text import indexed

ANSWERS = [*SENTENCES, SENTENCES[0], "<end> typed by someone"]
TOPICS = [0, 0, 1, 1, 2, 3, 4]


@pytest.fixture
def index(pair: Path, tmp_path: Path) -> tuple[TrainingText, list[list[int]]]:
    """The index of some answers as it is read back, and the tokens of each."""
    tokenizer = AutoTokenizer.from_pretrained(pair / "fine-tuned")
    (tmp_path / FILE).write_bytes(indexed(ANSWERS, TOPICS, tokenizer))
    read = TrainingText.beside(tmp_path)
    assert read is not None
    ids = [
        tokenizer.encode(answer, add_special_tokens=False, split_special_tokens=True)
        for answer in ANSWERS
    ]
    assert read.tokens.tolist() == [
        token for answer in ids for token in [*answer, tokenizer.eos_token_id]
    ]
    return read, ids


def test_whatever_stands_there_is_continued(
    index: tuple[TrainingText, list[list[int]]],
) -> None:
    text, answers = index
    for tokens in answers:
        for place in range(8, len(tokens)):
            ends = text.ends(tokens[place - 8 : place])
            assert text.continuation(ends, 1) == [tokens[place]]
    assert not len(text.ends([399, 398, 397]))
    last = text.ends(answers[-1][-8:])
    assert len(text.continuation(last, 9)) == 9  # past the end there is nothing, and no error


def test_spans_are_found_with_their_topics(index: tuple[TrainingText, list[list[int]]]) -> None:
    text, answers = index
    used = set(text.tokens.tolist())
    strange = [token for token in range(400) if token not in used][:2]
    spoken = [*strange, *answers[0], *strange, *answers[3][2:12], *strange]
    first, second = text.spans(spoken, 6)
    assert first == Span(2, 2 + len(answers[0]), answers=2, topics=2)  # it stands under two topics
    begin = 4 + len(answers[0])
    assert second == Span(begin, begin + 10, answers=1, topics=1)
    assert not list(text.spans(strange, 2))
    assert text.counts(answers[2]) == (1, 1)


def test_a_directory_without_one_has_none(pair: Path) -> None:
    assert TrainingText.beside(pair) is None


def test_a_model_made_before_gets_one(broken: Path, tmp_path: Path) -> None:
    rows = ["QuestionClean,AnswerClean,Split,SeedRow,Focus"]
    rows += [f'"?","{answer}",{split},,{topic}' for answer, split, topic in (
        (SENTENCES[0], "train", "Asthma"), (SENTENCES[2], "test_unseen", "Diabetes"),
    )]  # fmt: skip
    (tmp_path / "medquad.csv").write_text("\n".join(rows))
    command = ["training-text", "--model", str(broken), "--data", str(tmp_path)]
    assert main(command) == 2  # nobody knows of which rows it was made
    (broken / "training.json").write_text(json.dumps({"recipe": {"finetuning": {"rows": "all"}}}))
    assert main(command) == 0
    text = TrainingText.beside(broken)
    assert text is not None
    tokenizer = AutoTokenizer.from_pretrained(broken)
    trained, unseen = (
        tokenizer.encode(answer, add_special_tokens=False) for answer in SENTENCES[:3:2]
    )
    assert list(text.spans(trained, 5)) == [Span(0, len(trained), 1, 1)]
    assert text.tokens.tolist() == [*trained, tokenizer.eos_token_id]
    assert unseen != trained
    edit_json(broken / "training.json", recipe={"finetuning": {"rows": "seed"}})
    assert main(command) == 2
