"""One command scores base, fine-tuned model and baselines, and leaves all that it found."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import GPT2Config, GPT2LMHeadModel

from tests.conftest import CONTEXT_TOKENS, edit_json
from tests.training.conftest import PAIRS, write_table
from training.__main__ import main
from training.errors import DataError
from training.evaluate import Extent, evaluate
from training.evaluation.systems import SYSTEMS
from training.trainer.corpus import train_tokenizer
from training.trainer.saving import save_model

WRITTEN = {"metrics.json", "samples.jsonl", "report.html", "README.md"}
TEST = {
    "What is wheezing?": "A whistle in the chest, of the airways.",
    "How is a stroke treated?": "With medicine that dissolves the clot.",
    "What is an airway?": "A way for air into the lungs.",
}
SHORT = Extent(("test_unseen",), max_new_tokens=12)


@pytest.fixture
def held_out(tmp_path: Path) -> Path:
    """Four pairs to train on, three others to test on."""
    return write_table(tmp_path / "data", {"train": PAIRS, "test_unseen": TEST})


@pytest.fixture
def fine_tuned(reading_pair: Path, tmp_path: Path) -> Path:
    """A model that reads, and that a test may write to, with a guard."""
    copy = shutil.copytree(reading_pair / "fine-tuned", tmp_path / "fine-tuned")
    edit_json(copy / "generation_config.json", no_repeat_ngram_size=2)
    return copy


def command(model: Path, pair: Path, data: Path, *more: str) -> list[str]:
    return [
        "evaluate",
        *("--model", str(model), "--base", str(pair / "base"), "--data", str(data)),
        *("--max-new-tokens", "12", *more),
    ]


def numbers(value: Any) -> Iterator[float]:
    """Yield every number inside."""
    if isinstance(value, dict):
        for inner in value.values():
            yield from numbers(inner)
    elif isinstance(value, float):
        yield value


def test_the_command_writes_the_same_files_twice(
    fine_tuned: Path, pair: Path, held_out: Path, tmp_path: Path
) -> None:
    outs = [tmp_path / "first", tmp_path / "second"]
    for out in outs:
        only = ("--split", "test_unseen", "--split", "random", "--out", str(out))
        assert main(command(fine_tuned, pair, held_out, *only)) == 0
        assert {file.name for file in out.iterdir()} == WRITTEN
    for name in WRITTEN:
        assert (outs[0] / name).read_bytes() == (outs[1] / name).read_bytes()
    metrics = json.loads((outs[0] / "metrics.json").read_text())
    assert list(metrics["splits"]) == ["test_unseen", "random"]
    samples = [json.loads(line) for line in (outs[0] / "samples.jsonl").read_text().splitlines()]
    assert {sample["question"] for sample in samples} == set(TEST)
    assert all(sample["published"] == [TEST[sample["question"]]] for sample in samples)
    assert all(set(sample["answers"]) == set(SYSTEMS) for sample in samples)


def test_without_another_place_all_is_left_beside_the_model(
    fine_tuned: Path, pair: Path, held_out: Path
) -> None:
    before = {file.name for file in fine_tuned.iterdir()}
    assert main(command(fine_tuned, pair, held_out, "--split", "test_unseen")) == 0
    assert {file.name for file in fine_tuned.iterdir()} == before | WRITTEN


def test_every_figure_of_every_system(fine_tuned: Path, pair: Path, held_out: Path) -> None:
    found, _ = evaluate(fine_tuned, str(pair / "base"), held_out, SHORT)
    split = found["splits"]["test_unseen"]
    assert (split["rows"], split["questions"], split["trained_share"]) == (3, 3, 0)
    systems = split["systems"]
    assert set(systems) == set(SYSTEMS)
    for name in ("base", "fine_tuned"):
        assert systems[name]["bits_per_byte"]["value"] > 0
        assert 0 <= systems[name]["end_rate"]["value"] <= 1
    for name in ("nearest", "canned"):
        assert "bits_per_byte" not in systems[name]
        assert "end_rate" not in systems[name]
        assert systems[name]["copied"]["value"] == 1  # a training answer, word for word
    assert systems["fine_tuned"]["repeated"]["value"] == 0  # under the guard
    assert set(split["differences"]) == {"base", "nearest", "canned"}
    assert split["by"]["QuestionType"]["treatment"]["questions"] == 1
    assert split["by"]["Source"]["NIH"]["questions"] == 3
    assert found["decoding"]["no_repeat_ngram_size"] == {"fine_tuned": 2, "base": 0}
    assert all(number == number and abs(number) != float("inf") for number in numbers(found))


def test_the_base_answers_only_the_questions_drawn(
    fine_tuned: Path, pair: Path, held_out: Path
) -> None:
    extent = Extent(("test_unseen",), max_new_tokens=12, base_answers=1)
    found, samples = evaluate(fine_tuned, str(pair / "base"), held_out, extent)
    systems = found["splits"]["test_unseen"]["systems"]
    assert {name: row["answers"] for name, row in systems.items()} == {
        "base": 1,
        "fine_tuned": 3,
        "unguarded": 1,
        "reading": 3,
        "reading_others": 3,
        "nearest": 3,
        "canned": 3,
    }
    assert all("base" in sample["answers"] for sample in samples)  # but is shown beside each


def test_what_a_model_has_not_is_not_shown(pair: Path, held_out: Path) -> None:
    found, _ = evaluate(pair / "fine-tuned", str(pair / "base"), held_out, SHORT)
    without = {"unguarded", "reading", "reading_others"}  # neither a guard, nor passages
    assert set(found["splits"]["test_unseen"]["systems"]) == set(SYSTEMS) - without


def test_a_model_that_says_only_end_always_ends(
    fine_tuned: Path, pair: Path, held_out: Path
) -> None:
    model: Any = GPT2LMHeadModel.from_pretrained(fine_tuned)
    with torch.no_grad():
        model.transformer.ln_f.weight.zero_()
        model.transformer.ln_f.bias.fill_(1.0)
        model.lm_head.weight[model.config.eos_token_id] = 5.0
    model.save_pretrained(fine_tuned)
    found, samples = evaluate(fine_tuned, str(pair / "base"), held_out, SHORT)
    systems = found["splits"]["test_unseen"]["systems"]
    assert systems["fine_tuned"]["end_rate"]["value"] == 1
    assert systems["fine_tuned"]["rouge_l"]["value"] == 0
    assert {sample["answers"]["fine_tuned"]["text"] for sample in samples} == {""}


def test_a_question_that_fills_the_context_is_left_out(pair: Path, tmp_path: Path) -> None:
    endless = {"why " * CONTEXT_TOKENS: "Because."}
    data = write_table(tmp_path / "data", {"train": PAIRS, "test_unseen": endless | TEST})
    found, _ = evaluate(pair / "fine-tuned", str(pair / "base"), data, SHORT)
    assert found["splits"]["test_unseen"]["questions"] == len(TEST)
    write_table(data, {"train": PAIRS, "test_unseen": endless})
    with pytest.raises(DataError, match="no rows of the split test_unseen"):
        evaluate(pair / "fine-tuned", str(pair / "base"), data, SHORT)


def test_a_base_of_another_vocabulary_is_told(
    pair: Path, held_out: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    other = train_tokenizer(iter(["Quite other words, zebra, quagga."] * 9), 300, CONTEXT_TOKENS)
    config = GPT2Config(
        vocab_size=len(other),
        n_positions=CONTEXT_TOKENS,
        n_embd=8,
        n_layer=1,
        n_head=1,
        bos_token_id=0,
        eos_token_id=0,
    )
    save_model(GPT2LMHeadModel(config), other, tmp_path / "other", torch.float32)
    found, _ = evaluate(pair / "fine-tuned", str(tmp_path / "other"), held_out, SHORT)
    assert not found["shared_vocabulary"]
    assert "was not fine-tuned from" in caplog.text
    # Over the same bytes, the two can still be compared.
    assert found["splits"]["test_unseen"]["differences"]["base"]["bits_per_byte"]["value"]


def test_mistakes_are_told_in_one_line(
    pair: Path, held_out: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fine_tuned = pair / "fine-tuned"
    one = ("--split", "test_unseen")
    blocked = tmp_path / "file"
    blocked.write_text("")
    for arguments, error in {
        (tmp_path / "nowhere", pair, held_out): "no model directory",
        (pair / "base", pair, held_out): "its tokenizer has no <end>",
        (fine_tuned, tmp_path, held_out): "base: ",
        (fine_tuned, pair, tmp_path): "medquad.csv is missing",
        (fine_tuned, pair, held_out, "--split", "valid_seen"): "no rows of the split valid_seen",
        (fine_tuned, pair, held_out, *one, "--out", str(blocked)): "could not be written",
        (fine_tuned, pair, held_out, *one, "--out", str(blocked / "below")): "could not be written",
    }.items():
        model, base, data, *more = arguments
        assert isinstance(model, Path)
        assert isinstance(base, Path)
        assert isinstance(data, Path)
        assert main(command(model, base, data, *map(str, more))) == 2
        told = capsys.readouterr().err.splitlines()[-1]
        assert told.startswith("error: ")
        assert error in told
    write_table(held_out, {"test_unseen": TEST})
    assert main(command(fine_tuned, pair, held_out)) == 2
    assert "no training rows" in capsys.readouterr().err


@pytest.mark.parametrize("wrong", [("--limit", "0"), ("--split", "test")])
def test_options_out_of_range_are_refused(
    pair: Path, wrong: tuple[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        main(command(pair / "fine-tuned", pair, pair, *wrong))
    assert wrong[0] in capsys.readouterr().err
